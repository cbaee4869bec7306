//! The host with real processes, without HTTP: an example runs to its end, and a host that is opened again finds the
//! job that the first one started.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use porpoise::host::{Host, OsIds};
use porpoise_app::Executors;
use porpoise_engine::effect::{NewRun, Trigger};
use porpoise_engine::run::Run;
use porpoise_executor_local::{Limits, LocalExecutor};
use porpoise_model::{Actor, Address, CommandId, ProjectId, RunId, RunState};
use porpoise_ports::{Executor, Ids as _};

fn host(dir: &Path) -> Host {
    let wrapper = vec![env!("CARGO_BIN_EXE_porpoise").into(), "__attempt".into()];
    let processes = LocalExecutor::open(dir, wrapper, Limits::default()).unwrap();
    let completions = processes.completions();
    let processes: Arc<dyn Executor> = processes;
    let executors = Executors::none().with(["shell", "python", "command"], &processes);
    let mut host = Host::open(dir, executors).unwrap();
    host.start(completions);
    host
}

async fn create(host: &Host, definition: &str) -> Address {
    let checked = porpoise_definition::read("test.yaml", definition.as_bytes()).unwrap();
    let workflow = &checked[0].workflow;
    let applied = host.app().apply(workflow, &Actor::engine()).await.unwrap();
    let project = ProjectId::of_name(workflow.project.as_str());
    let command = CommandId::from_bytes(OsIds::default().fresh().to_le_bytes());
    let now = Timestamp::now();
    let new = NewRun {
        project,
        run: RunId::of_command(command),
        workflow: applied.head.workflow,
        workflow_name: workflow.name.to_string(),
        version: Some(applied.head.version),
        trigger: Trigger::Api,
        logical_date: now,
        timezone: "UTC".to_owned(),
        parameters: BTreeMap::new(),
        actor: Actor::engine(),
        priority: None,
        on_failure: None,
        concurrency: None,
        dry_run: false,
        simulate: false,
        created: now,
        placement: porpoise_engine::placement::Placement::default(),
        only: None,
        project_parameters: None,
    };
    host.app().create_run(new.clone()).await.unwrap();
    Address::run(project, new.run)
}

async fn ended(host: &Host, run: Address) -> RunState {
    let written = host.table().written(&run.to_string());
    let end = async {
        loop {
            let next = written.notified();
            let state = host.app().look::<Run>(run).await.unwrap().state.run_state();
            if state.is_terminal() {
                return state;
            }
            next.await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), end)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_readme_runs_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let host = host(dir.path());
    let run = create(&host, include_str!("../../examples/daily-sales.yaml")).await;
    assert_eq!(ended(&host, run).await, RunState::Succeeded);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_on_while_no_host_runs_and_is_run_once() {
    let dir = tempfile::tempdir().unwrap();
    let marks = dir.path().join("marks");
    let definition = format!(
        "workflow: long\ntasks:\n  long: {{ shell: 'echo begun >> {0}; sleep 1; echo over >> {0}' }}\n  after: {{ after: [long], shell: 'echo after >> {0}' }}\n",
        marks.display()
    );
    let first = host(dir.path());
    let run = create(&first, &definition).await;
    while !marks.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    first.stop().await;
    let second = host(dir.path());
    assert_eq!(ended(&second, run).await, RunState::Succeeded);
    assert_eq!(
        std::fs::read_to_string(&marks).unwrap(),
        "begun\nover\nafter\n"
    );
    second.stop().await;
}
