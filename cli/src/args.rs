//! The command line, as clap reads it.

use std::path::PathBuf;

use clap::{ArgGroup, Args as ClapArgs, Parser, Subcommand};
use jiff::SignedDuration;

/// Runs data pipelines as DAGs.
#[derive(Debug, Parser)]
#[command(name = "porpoise", version, propagate_version = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Common {
    /// Print results as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help = "Directory of the local server's data [default: $PORPOISE_DATA or ~/.local/share/porpoise]"
    )]
    pub(crate) data: Option<PathBuf>,
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help = "Address of the server [default: $PORPOISE_URL or what runs on the data directory]"
    )]
    pub(crate) url: Option<String>,
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        help = "Token of the server [default: $PORPOISE_TOKEN or the one in the data directory]"
    )]
    pub(crate) token: Option<String>,
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help = "Look at this project only [default: $PORPOISE_PROJECT or all]"
    )]
    pub(crate) project: Option<String>,
    #[arg(
        long,
        global = true,
        value_name = "REGION",
        help = "Region of a control plane on AWS [default: the one in its address, or $AWS_REGION]"
    )]
    pub(crate) region: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve on this machine until Ctrl-C.
    Up(Up),
    /// Serve a site until Ctrl-C: fetch its tasks from a server, and execute them on this machine.
    Agent(Agent),
    /// Check definition files, and tell every fault in them.
    Check {
        /// YAML or JSON files, or folders of them; `-` reads standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Store the workflows of definition files.
    Apply {
        /// YAML or JSON files, or folders of them; `-` reads standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Start a run and watch it to its end.
    Run(Run),
    /// List workflows.
    Workflows,
    /// List runs, the latest first.
    Runs(Runs),
    /// Show a run and its tasks, or one task with its attempts.
    Show {
        #[command(flatten)]
        run: RunRef,
        /// One task.
        task: Option<String>,
        /// What the task can read by name, and where each value comes from.
        #[arg(long, requires = "task")]
        parameters: bool,
        /// The definition that the run has, as a file.
        #[arg(long, conflicts_with = "task")]
        definition: bool,
    },
    /// Print the log of a task.
    Logs(Logs),
    /// Start no more tasks of a run.
    Pause(RunRef),
    /// Go on with a run that was paused.
    Resume(RunRef),
    /// Stop a run, or some of its tasks.
    Kill {
        #[command(flatten)]
        run: RunRef,
        /// Only these tasks.
        tasks: Vec<String>,
    },
    /// Keep tasks of a run, or all of it, from starting.
    Hold {
        #[command(flatten)]
        run: RunRef,
        /// Only these tasks.
        tasks: Vec<String>,
        /// What others should know.
        #[arg(long, value_name = "TEXT")]
        why: Option<String>,
        /// When the hold ends by itself: `2026-03-01T06:00+01:00`, or `2h` from now.
        #[arg(long, value_name = "WHEN")]
        until: Option<String>,
    },
    /// End a hold.
    Release {
        #[command(flatten)]
        run: RunRef,
        /// Only these tasks.
        tasks: Vec<String>,
    },
    /// Say that tasks succeeded, whatever became of them.
    MarkSucceeded(Tasks),
    /// Skip tasks.
    Skip(Tasks),
    /// Let a run go on at tasks that wait for an approval.
    Approve(Answer),
    /// Do not let a run go on at tasks that wait for an approval: they fail.
    Decline(Answer),
    /// Run tasks of a run again.
    Rerun(Rerun),
    /// Show or switch the schedule of a workflow.
    Schedule {
        /// The workflow, as `NAME` or `PROJECT/NAME`.
        workflow: String,
        /// Let it fire.
        #[arg(long, conflicts_with = "offline")]
        online: bool,
        /// Keep it from firing.
        #[arg(long)]
        offline: bool,
    },
    /// Run a workflow for each date of a range or a list; or list, show, pause, resume and kill such backfills.
    Backfill(Backfill),
    /// List pools.
    Pools,
    /// Show a pool, who holds its slots and who waits.
    Pool {
        /// Its name.
        name: String,
        /// Set its number of slots.
        #[arg(long, value_name = "N")]
        slots: Option<u32>,
        /// Let a task that waits go first, also beyond the number of slots.
        #[arg(long, num_args = 2, value_names = ["RUN", "TASK"])]
        grant: Option<Vec<String>>,
    },
    /// List what all workflows of a project can name, or change it.
    Parameters(crate::command::project_parameters::Parameters),
    /// List calendars: days on which schedules do not fire.
    Calendars,
    /// Show a calendar, put it from dates or a file, or delete it.
    Calendar(Calendar),
    /// List, show or set targets: where tasks execute that do more than the server's own machine can.
    #[command(subcommand)]
    Target(Target),
    /// Turn workflows of other systems into definition files.
    #[command(subcommand)]
    Import(Import),
    /// Deploy the control plane and its places to AWS, with the CDK.
    Deploy(Deploy),
    /// Look whether a deployment on AWS is whole: what is missing, and what mends it.
    Doctor(Doctor),
}

#[derive(Debug, ClapArgs)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(crate) struct Deploy {
    /// The folder of the CDK app [default: `infra-cdk` of the checkout that this is called in].
    #[arg(long, value_name = "DIR")]
    pub(crate) infra: Option<PathBuf>,
    /// The settings of the deployment [default: `porpoise.json` in the folder of the CDK app].
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
    /// The folder that holds `NAME/bootstrap.zip` for each function [default: what the settings say].
    #[arg(long, value_name = "DIR")]
    pub(crate) functions: Option<PathBuf>,
    /// Only tell what would be done, and what is missing.
    #[arg(long)]
    pub(crate) plan: bool,
    /// Prepare regions for the CDK where that was never done: it makes a bucket and roles in each.
    #[arg(long)]
    pub(crate) bootstrap: bool,
    /// Do not ask before grants are widened.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Make again what somebody deleted or changed by hand.
    #[arg(long)]
    pub(crate) revert_drift: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Doctor {
    /// Look at the API only, and ask nothing of AWS itself.
    #[arg(long)]
    pub(crate) api: bool,
    /// The name of the deployment.
    #[arg(long, default_value = "porpoise", value_name = "NAME")]
    pub(crate) name: String,
    /// Compare what the functions run with the `NAME/bootstrap.zip` of this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) functions: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Up {
    /// Port on 127.0.0.1; 0 takes any that is free.
    #[arg(long, default_value_t = 7717)]
    pub(crate) port: u16,
    /// Apply the examples, and run `daily-sales` once.
    #[arg(long)]
    pub(crate) examples: bool,
    /// Run this workflow once when the server is up.
    #[arg(long, value_name = "WORKFLOW")]
    pub(crate) run: Option<String>,
    /// Local processes at the same time [default: 64].
    #[arg(long, value_name = "N")]
    pub(crate) parallel: Option<usize>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Agent {
    /// The site that it serves, as `site.NAME`.
    #[arg(long, value_name = "PLACE")]
    pub(crate) place: String,
    /// Processes at the same time [default: 64].
    #[arg(long, value_name = "N")]
    pub(crate) parallel: Option<usize>,
    /// Take the place of another agent that is gone for good.
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Debug, Default, ClapArgs)]
pub(crate) struct Run {
    /// The workflow, as `NAME` or `PROJECT/NAME`.
    pub(crate) workflow: String,
    /// Value of a parameter.
    #[arg(short, long = "parameter", value_name = "NAME=VALUE")]
    pub(crate) parameters: Vec<String>,
    /// Logical date, as `2026-03-01` in the workflow's time zone, or with time and offset [default: now].
    #[arg(long, value_name = "DATE")]
    pub(crate) date: Option<String>,
    /// Start with these tasks; no others but what follows them run.
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) tasks: Vec<String>,
    /// What runs beside those tasks.
    #[arg(long, requires = "tasks", value_name = "REACH", default_value = "downstream", value_parser = ["only", "upstream", "downstream"])]
    pub(crate) reach: String,
    /// Decide everything and start no job.
    #[arg(long)]
    #[expect(clippy::struct_field_names, reason = "the word of the whole product")]
    pub(crate) dry_run: bool,
    /// Replace tasks that nothing here can run by ones that do nothing.
    #[arg(long)]
    pub(crate) simulate: bool,
    /// Start it and return.
    #[arg(long)]
    pub(crate) no_watch: bool,
}

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Backfill {
    #[command(subcommand)]
    pub(crate) command: Option<BackfillCommand>,
    #[command(flatten)]
    pub(crate) start: StartBackfill,
}

#[derive(Debug, ClapArgs)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(crate) struct StartBackfill {
    /// The workflow, as `NAME` or `PROJECT/NAME`.
    #[arg(required = true)]
    pub(crate) workflow: Option<String>,
    /// First day, as `2026-03-01`, or first instant, as `2026-03-01T06:00`.
    #[arg(long, value_name = "DATE", requires = "to", conflicts_with = "dates")]
    pub(crate) from: Option<String>,
    /// Last day, or last instant: it belongs to the range.
    #[arg(long, value_name = "DATE", requires = "from")]
    pub(crate) to: Option<String>,
    /// These days or instants, instead of a range.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "A,B",
        required_unless_present = "from"
    )]
    pub(crate) dates: Vec<String>,
    /// Time zone of the dates [default: the schedule's, or UTC].
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    /// Dates at the same time.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) parallel: u32,
    /// Where a date's run has succeeded, go on with the same date of the workflows that wait for this one (`direct`), or
    /// of those that wait for these as well, and so on (`all`).
    #[arg(long, value_name = "WHICH", num_args = 0..=1, default_missing_value = "direct", value_parser = ["direct", "all"])]
    pub(crate) dependents: Option<String>,
    /// The latest date first.
    #[arg(long)]
    pub(crate) descending: bool,
    /// What follows where a run does not succeed.
    #[arg(long, value_name = "WHAT", default_value = "stop", value_parser = ["stop", "continue"])]
    pub(crate) after_failure: String,
    /// Only tell which dates would run, and what would go along.
    #[arg(long)]
    pub(crate) preview: bool,
    /// Value of a parameter.
    #[arg(short, long = "parameter", value_name = "NAME=VALUE")]
    pub(crate) parameters: Vec<String>,
    /// Start each run with these tasks; no others but what follows them run.
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) tasks: Vec<String>,
    /// What runs beside those tasks.
    #[arg(long, requires = "tasks", value_name = "REACH", default_value = "downstream", value_parser = ["only", "upstream", "downstream"])]
    pub(crate) reach: String,
    /// Decide everything and start no job.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Replace tasks that nothing here can run by ones that do nothing.
    #[arg(long)]
    pub(crate) simulate: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackfillCommand {
    /// List backfills, the latest first.
    List {
        /// Of this workflow only.
        #[arg(long, value_name = "WORKFLOW")]
        workflow: Option<String>,
        /// How many at most.
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: usize,
    },
    /// Show how far a backfill is, and which run each date has.
    Show {
        /// Id of a backfill, the beginning of one, or `latest`.
        backfill: String,
    },
    /// Start no further date; runs that are there go on.
    Pause {
        /// Id of a backfill, the beginning of one, or `latest`.
        backfill: String,
    },
    /// Go on with a backfill that was paused.
    Resume {
        /// Id of a backfill, the beginning of one, or `latest`.
        backfill: String,
    },
    /// Start no further date, and stop the runs that are there.
    Kill {
        /// Id of a backfill, the beginning of one, or `latest`.
        backfill: String,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Runs {
    /// Of this workflow only.
    #[arg(long, value_name = "WORKFLOW")]
    pub(crate) workflow: Option<String>,
    /// In this state only.
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// How many at most.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: usize,
}

#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct RunRef {
    /// Id of a run, the beginning of one, or `latest`.
    pub(crate) run: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Tasks {
    #[command(flatten)]
    pub(crate) run: RunRef,
    /// Names of tasks.
    #[arg(required = true)]
    pub(crate) tasks: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Answer {
    #[command(flatten)]
    pub(crate) tasks: Tasks,
    /// What others should know.
    #[arg(long, value_name = "TEXT")]
    pub(crate) why: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Logs {
    #[command(flatten)]
    pub(crate) run: RunRef,
    /// Name of the task.
    pub(crate) task: String,
    /// Follow until the attempt ends.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Which attempt [default: the latest].
    #[arg(long, value_name = "N")]
    pub(crate) attempt: Option<u32>,
}

#[derive(Debug, ClapArgs)]
#[command(group(ArgGroup::new("which").required(true).multiple(true).args(["from_failed", "tasks", "all", "edit"])))]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(crate) struct Rerun {
    #[command(flatten)]
    pub(crate) run: RunRef,
    /// What failed or was canceled, and what did not start because of that.
    #[arg(long, conflicts_with_all = ["tasks", "all"])]
    pub(crate) from_failed: bool,
    /// These tasks, in whatever state.
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) tasks: Vec<String>,
    /// And all that is downstream of them.
    #[arg(long, requires = "tasks")]
    pub(crate) downstream: bool,
    /// And all that is upstream of them.
    #[arg(long, requires = "tasks")]
    pub(crate) upstream: bool,
    /// Go on with this definition (`-`: standard input): what it changes runs again, beside what is asked for here, which
    /// is what failed unless something else is said.
    #[arg(long, value_name = "FILE")]
    pub(crate) edit: Option<PathBuf>,
    /// All tasks, but those that the run was started without.
    #[arg(long, conflicts_with = "tasks")]
    pub(crate) all: bool,
    /// The workflow is to have the definition, too.
    #[arg(long, requires = "edit")]
    pub(crate) write_back: bool,
    /// Also if somebody else has changed the workflow since.
    #[arg(long, requires = "write_back")]
    pub(crate) force: bool,
    /// Only tell what would run.
    #[arg(long)]
    pub(crate) preview: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Calendar {
    /// The calendar, as `NAME` or `PROJECT/NAME`.
    pub(crate) name: String,
    /// Put it: these days are excluded, and no others.
    #[arg(value_name = "DATE", conflicts_with = "file")]
    pub(crate) dates: Vec<String>,
    /// Put it from a file: iCalendar (`.ics`), or a list of days in YAML or JSON; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Put it: these days of the week are excluded, beside its dates.
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) weekdays: Vec<String>,
    /// Delete it; no workflow may name it.
    #[arg(long, conflicts_with_all = ["dates", "file", "weekdays"])]
    pub(crate) delete: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Target {
    /// List targets.
    List,
    /// Show a target.
    Show {
        /// The target, as `NAME` or `PROJECT/NAME`.
        target: String,
    },
    /// Connect to a data source from where its statements are sent, and say who answers, or why nobody does.
    Test {
        /// The target, as `NAME` or `PROJECT/NAME`.
        target: String,
        /// How long to wait for the answer, as `30s` or `5m`.
        #[arg(long, value_name = "DURATION", default_value = "2m")]
        wait: SignedDuration,
    },
    /// Make a target, or change it for the runs that are created from then on.
    Put {
        /// A JSON file, such as `show --json` prints; `-` reads standard input.
        file: PathBuf,
        /// The target, as `NAME` or `PROJECT/NAME` [default: what the file says].
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// Exports of Apache DolphinScheduler, answers of its REST API, files of its Python SDK; or what a running one has,
    /// with `--url` (its address), `--token-file` and, for a single project of it, `--project`.
    Dolphinscheduler {
        /// Files, folders and ZIP archives; `-` is standard input. All of them are imported, or nothing is.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Directory for the definition files [default: the current one, unless `--apply` is given].
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Store the workflows on the server, and those parameters of projects that it does not have.
        #[arg(long)]
        apply: bool,
        /// List every entry of the report.
        #[arg(long)]
        verbose: bool,
        /// The version that wrote the file, where it does not say.
        #[arg(long, value_name = "VERSION")]
        from_version: Option<String>,
        /// The time zone of schedules that name none, as those of 1.x.
        #[arg(long, value_name = "ZONE")]
        timezone: Option<String>,
        /// Schedules start here on this day, in their zones: until then they fire there.
        #[arg(long, value_name = "DATE")]
        switch_date: Option<jiff::civil::Date>,
        /// What `$ENV{NAME}` stands for in files of the Python SDK.
        #[arg(long, value_name = "NAME=VALUE")]
        env: Vec<String>,
        /// How the report is printed.
        #[arg(long, value_enum, default_value = "text", value_name = "FORM")]
        report: crate::command::import::ReportForm,
        /// Write the report as a page for a browser, too.
        #[arg(long, value_name = "FILE")]
        report_html: Option<PathBuf>,
        /// Write only the mapping file: what the workflows name, with space to fill in what it is here. What somebody
        /// filled in there already stays.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["out", "apply", "mapping"])]
        plan: Option<PathBuf>,
        /// A mapping file that somebody filled in.
        #[arg(long, value_name = "FILE")]
        mapping: Option<PathBuf>,
        /// Lists of the REST API (data sources, resources, parameters of projects …), for what files of workflows do not
        /// tell; files or folders.
        #[arg(long, value_name = "PATH")]
        catalogue: Vec<PathBuf>,
        #[arg(
            long,
            value_name = "FILE",
            conflicts_with = "files",
            help = "File with the token of a running DolphinScheduler [default: $DOLPHINSCHEDULER_TOKEN]"
        )]
        token_file: Option<PathBuf>,
        /// Where the answers of a running DolphinScheduler are kept [default: dolphinscheduler-HOST].
        #[arg(long, value_name = "DIR", conflicts_with = "files")]
        answers: Option<PathBuf>,
        /// Overwrite files that are there and differ.
        #[arg(long)]
        replace: bool,
    },
}
