//! `cargo xtask cloud up`: a region in a box for people.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use porpoise_cloud::jobs::{self, Behaviour};
use porpoise_cloud::stock::{APPLICATIONS, EXTERNAL_ID, Names};
use porpoise_cloud::{Cloud, Options};

/// A region in a box.
#[derive(Debug, Parser)]
#[command(name = "cloud")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Deploy the control plane on loopback, and serve until Ctrl-C.
    Up {
        /// The folder with NAME/bootstrap.zip for each function.
        #[arg(long)]
        functions: PathBuf,
        /// The folder with the templates of the stacks.
        #[arg(long)]
        templates: PathBuf,
        /// Port of the API; 0 is any that is free.
        #[arg(long, default_value_t = 7080)]
        port: u16,
        /// Do not check roles.
        #[arg(long)]
        no_auth: bool,
    },
}

/// What becomes of jobs that say nothing themselves: they are in each state for a while, and end well.
const JOBS: Behaviour = Behaviour::Seeded {
    seed: 1,
    longest: Duration::from_secs(5),
    failing: 0,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Task::Up {
        functions,
        templates,
        port,
        no_auth,
    } = Args::parse().task;
    let options = Options {
        port,
        auth: !no_auth,
        jobs: jobs::Options {
            behaviour: JOBS,
            ..jobs::Options::default()
        },
        ..Options::new(functions, templates)
    };
    let cloud = Cloud::start(options).await?;
    tell(&cloud);
    tokio::signal::ctrl_c().await?;
    drop(cloud);
    println!("stopped");
    Ok(())
}

fn tell(cloud: &Cloud) {
    let options = cloud.options();
    let names = Names(&options.name);
    println!("\nPorpoise runs in a box; Ctrl-C stops it, and nothing is left.\n");
    println!("  API            {}/v1", cloud.url());
    println!("  home           {}", cloud.place(&options.home));
    for region in &options.regions {
        println!("  data place     {}", cloud.place(region));
    }
    println!("  AWS            {} (ministack)", cloud.ministack());
    println!("  tables         {} (DynamoDB Local)", cloud.dynamodb());
    println!(
        "  jobs           {} (a stand-in for EMR Serverless and Athena)",
        cloud.jobs().fake().endpoint()
    );
    let auth = if options.auth {
        "checked"
    } else {
        "not checked"
    };
    println!("  roles          {auth}\n");
    println!("Use the command line with it:\n");
    println!("  export PORPOISE_URL={} PORPOISE_TOKEN=any", cloud.url());
    println!("  porpoise apply FILE && porpoise run WORKFLOW\n");
    println!(
        "Targets can be the applications {} and the workgroup {}\nof each data place; `porpoise target put FILE NAME` with\n",
        APPLICATIONS.join(" and "),
        names.workgroup()
    );
    println!(
        r#"  {{"kind": "emr-serverless", "place": "{}","#,
        cloud.place(&options.home)
    );
    println!(
        r#"   "settings": {{"application_name": "spark", "execution_role": "{}"}}}}"#,
        names.job_role(&options.account)
    );
    println!(
        "\nor of the account {}, with that account in `place` and `execution_role`, and\n",
        options.other_account
    );
    println!(
        r#"   "role": {{"arn": "{}", "external_id": "{EXTERNAL_ID}"}}"#,
        names.target_role_arn(&options.other_account)
    );
    println!("\nOr any program that speaks to AWS:\n");
    println!(
        "  export AWS_ENDPOINT_URL={} AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY=test AWS_REGION={}",
        cloud.ministack(),
        options.account,
        options.home
    );
    let jobs = cloud.jobs().fake().endpoint();
    println!("  export AWS_ENDPOINT_URL_EMR_SERVERLESS={jobs} AWS_ENDPOINT_URL_ATHENA={jobs}\n");
}
