//! `cargo xtask cloud up`: a region in a box for people.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::PathBuf;

use clap::{Parser, Subcommand};
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
    println!("\nPorpoise runs in a box; Ctrl-C stops it, and nothing is left.\n");
    println!("  API            {}/v1", cloud.url());
    println!("  home           {}", cloud.place(&options.home));
    for region in &options.regions {
        println!("  data place     {}", cloud.place(region));
    }
    println!("  AWS            {} (ministack)", cloud.ministack());
    println!("  tables         {} (DynamoDB Local)", cloud.dynamodb());
    let auth = if options.auth {
        "checked"
    } else {
        "not checked"
    };
    println!("  roles          {auth}\n");
    println!("Use the command line with it:\n");
    println!("  export PORPOISE_URL={} PORPOISE_TOKEN=any", cloud.url());
    println!("  porpoise apply FILE && porpoise run WORKFLOW\n");
    println!("Or any program that speaks to AWS:\n");
    println!(
        "  export AWS_ENDPOINT_URL={} AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY=test AWS_REGION={}\n",
        cloud.ministack(),
        options.account,
        options.home
    );
}
