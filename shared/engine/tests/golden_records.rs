//! Records of released forms still read as the facts that they held.
//!
//! `tests/golden/*.cbor` are records as a release wrote them, `*.txt` what they say. A file that exists is never
//! written again: a new form gets a new file (`UPDATE_GOLDEN=1` writes those that are missing).

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_engine::EffectKey;
use porpoise_engine::commands::Outcome;
use porpoise_engine::effect::{Attempt, GoesAlong, Look, NewRun, News, Trigger, Wait};
use porpoise_engine::elements::Elements;
use porpoise_engine::family::{ChildStage, Turn};
use porpoise_engine::input::Finding;
use porpoise_engine::placement::Placement;
use porpoise_engine::record::Record;
use porpoise_engine::run::fact::After;
use porpoise_engine::run::moves::Moves;
use porpoise_engine::run::{Edited, Ranges, RunFact};
use porpoise_model::dependence::Verdict;
use porpoise_model::{
    Actor, BackfillId, Cause, CommandId, Outputs, ProjectId, RunId, RunState, ScheduleId, Value,
    VersionHash, WorkflowId,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn actor() -> Actor {
    Actor {
        principal: "ada".into(),
        via: "cli".into(),
        request: Some("r-1".into()),
    }
}

/// Every sort of fact of a run, each with everything that it can hold.
fn run_facts() -> Vec<RunFact> {
    let project = ProjectId::of_name("retail");
    let attempt = Attempt::of(7, 2);
    let tasks = || Ranges::of([0, 1, 2, 9]);
    let created = NewRun {
        project,
        run: RunId::from_bytes([3; 16]),
        workflow: WorkflowId::first_named(project, "daily-sales"),
        workflow_name: "daily-sales".into(),
        version: Some(VersionHash::of(b"stored")),
        trigger: Trigger::Schedule {
            schedule: ScheduleId::from_bytes([4; 16]),
        },
        logical_date: at(0),
        timezone: "Europe/Berlin".into(),
        parameters: BTreeMap::from([("day".into(), "2026-01-01".into())]),
        actor: actor(),
        priority: Some(porpoise_model::workflow::Priority::High),
        on_failure: Some(porpoise_model::workflow::FailureStrategy::End),
        concurrency: Some(porpoise_model::workflow::Concurrency::SerialWait),
        dry_run: true,
        simulate: true,
        created: at(1),
        placement: Placement::default(),
        only: None,
        project_parameters: None,
    };
    let outputs = BTreeMap::from([("rows".to_owned(), Value::text("42"))]);
    vec![
        RunFact::Created(Box::new(created)),
        RunFact::Begun {
            parameters: vec![("day".into(), "2026-01-01".into())],
        },
        RunFact::GateWaiting,
        RunFact::Admitted,
        RunFact::Discarded,
        RunFact::LeftGate { entry: 2 },
        RunFact::SlotsAsked { tasks: tasks() },
        RunFact::SlotsQueued { tasks: tasks() },
        RunFact::SlotsGranted { tasks: tasks() },
        RunFact::SlotFreed { attempt },
        RunFact::Dispatched { tasks: tasks() },
        RunFact::Accepted { tasks: tasks() },
        RunFact::Waiting {
            task: 7,
            why: "budget".into(),
        },
        RunFact::Started {
            task: 7,
            at: at(2),
            external_id: "pid 12".into(),
        },
        RunFact::Succeeded {
            task: 7,
            started: at(2),
            ended: at(3),
            outputs: Some(outputs),
        },
        RunFact::Failed {
            task: 7,
            started: Some(at(2)),
            ended: at(3),
            cause: Cause::Exit { code: 3 },
            retry: Some(at(63)),
        },
        RunFact::Canceled {
            task: 7,
            ended: at(3),
        },
        RunFact::TimedOut {
            task: Some(7),
            stopped: true,
        },
        RunFact::PassedDry { tasks: tasks() },
        RunFact::Commanded {
            id: CommandId::from_bytes([5; 16]),
            actor: actor(),
            what: "pause".into(),
            outcome: Outcome::Refused {
                reason: "it is over".into(),
            },
        },
        RunFact::Pausing,
        RunFact::Paused,
        RunFact::Resumed,
        RunFact::Stopping {
            cause: Cause::KilledBy { actor: actor() },
        },
        RunFact::CancelAsked {
            tasks: tasks(),
            then: After::TimeOut,
        },
        RunFact::Decided {
            tasks: tasks(),
            then: After::Succeed { actor: actor() },
        },
        RunFact::Held {
            tasks: tasks(),
            actor: actor(),
            why: "audit".into(),
            until: Some(at(99)),
        },
        RunFact::Released { tasks: tasks() },
        RunFact::Rerun { tasks: tasks() },
        RunFact::Ended {
            state: RunState::Failed,
            cause: Some(Cause::TasksFailed { count: 2 }),
        },
        RunFact::Done {
            key: EffectKey::Dispatch(attempt),
        },
    ]
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn text(facts: &[RunFact]) -> String {
    facts.iter().fold(String::new(), |mut text, fact| {
        writeln!(text, "{fact:?}").unwrap();
        text
    })
}

#[test]
fn records_of_run_facts_of_reader_1_still_read() {
    let (bytes, says) = (golden("run-1.cbor"), golden("run-1.txt"));
    let record = Record {
        at: at(100),
        facts: run_facts(),
    };
    if std::env::var_os("UPDATE_GOLDEN").is_some() && !bytes.exists() {
        std::fs::write(&bytes, record.to_bytes()).unwrap();
        std::fs::write(&says, text(&record.facts)).unwrap();
    }
    let stored = std::fs::read(&bytes).unwrap();
    let read = Record::<RunFact>::from_bytes(&stored).unwrap();
    // Released before runs were placed: read as placed at home.
    let at_home = format!(", placement: {:?}", Placement::default());
    let said = text(&read.facts).replacen(&at_home, "", 1);
    // And before runs could be of some tasks only.
    let said = said.replacen(", only: None", "", 1);
    // And before projects had parameters.
    let said = said.replacen(", project_parameters: None", "", 1);
    assert_eq!(said, std::fs::read_to_string(&says).unwrap());
    assert_eq!(
        record.to_bytes(),
        stored,
        "what is written today is what was released as form 1"
    );
}

/// What a release wrote reads as these facts, and is written so today.
fn still_read<F>(name: &str, facts: Vec<F>)
where
    F: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug,
{
    let record = Record { at: at(100), facts };
    let bytes = golden(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() && !bytes.exists() {
        std::fs::write(&bytes, record.to_bytes()).unwrap();
    }
    let stored = std::fs::read(&bytes).unwrap();
    assert_eq!(Record::<F>::from_bytes(&stored).unwrap(), record);
    assert_eq!(record.to_bytes(), stored);
}

#[test]
fn records_of_what_people_were_told_still_read() {
    let attempt = Attempt::of(7, 2);
    let news = [
        News::TaskFailed(attempt),
        News::TaskLate(attempt),
        News::RunLate(3),
    ];
    let done = |news| RunFact::Done {
        key: EffectKey::Announce(news),
    };
    still_read("run-announced-1.cbor", news.map(done).to_vec());
}

#[test]
fn records_of_what_tasks_picked_still_read() {
    let chose = |branch| RunFact::Chose { task: 7, branch };
    still_read("run-chose-1.cbor", vec![chose(0), chose(300)]);
}

#[test]
fn records_of_what_people_answered_still_read() {
    let answered = |approved| RunFact::Answered {
        tasks: Ranges::of([1, 2, 300]),
        approved,
        actor: Actor {
            principal: "ada".to_owned(),
            via: "cli".to_owned(),
            request: None,
        },
        why: "checked".to_owned(),
    };
    still_read("run-answered-1.cbor", vec![answered(true), answered(false)]);
}

#[test]
fn records_of_recoveries_still_read() {
    let tasks = Ranges::of([1, 3, 300]);
    let attempt = Attempt::of(7, 3);
    still_read(
        "run-recovered-1.cbor",
        vec![
            RunFact::Recovered {
                tasks: tasks.clone(),
                goes_on: None,
            },
            RunFact::Recovered {
                tasks,
                goes_on: Some(Ranges::of([3])),
            },
            RunFact::WentOn { attempt },
        ],
    );
}

#[test]
fn records_of_runs_of_some_tasks_still_read() {
    let mut facts = run_facts();
    facts.truncate(1);
    if let Some(RunFact::Created(new)) = facts.first_mut() {
        new.only = Some(Ranges::of([1, 2, 300]));
    }
    still_read("run-some-tasks-1.cbor", facts);
}

#[test]
fn records_of_runs_that_name_parameters_of_their_project_still_read() {
    let mut facts = run_facts();
    facts.truncate(1);
    if let Some(RunFact::Created(new)) = facts.first_mut() {
        let region = ("region".to_owned(), Value::text("eu"));
        new.project_parameters = Some([region].into());
    }
    still_read("run-project-parameters-1.cbor", facts);
}

#[test]
fn records_of_runs_below_and_above_still_read() {
    let turn = |pause| Turn {
        attempt: Attempt::of(7, 2),
        number: 300,
        pause,
    };
    let child = |stage, started| RunFact::Child {
        task: 7,
        said: 300,
        stage,
        started,
    };
    let Some(RunFact::Created(mut new)) = run_facts().into_iter().next() else {
        return;
    };
    new.trigger = Trigger::Parent {
        run: RunId::from_bytes([9; 16]),
        attempt: Attempt::of(7, 2),
        above: vec![WorkflowId::from_bytes([3; 16])],
    };
    still_read(
        "run-child-1.cbor",
        vec![
            RunFact::Created(new),
            child(ChildStage::Waiting, None),
            child(ChildStage::Running, Some(at(7))),
            child(ChildStage::Paused, Some(at(7))),
            RunFact::Turned { turn: turn(true) },
            RunFact::Done {
                key: EffectKey::Turn(turn(false)),
            },
            RunFact::Done {
                key: EffectKey::TellParent(300),
            },
            RunFact::Failed {
                task: 7,
                started: None,
                ended: at(9),
                cause: Cause::Child {
                    run: RunId::from_bytes([8; 16]),
                    ended: RunState::Canceled,
                    why: "killed".to_owned(),
                },
                retry: None,
            },
        ],
    );
}

#[test]
fn records_of_edits_still_read() {
    let plan = |tasks: &str| {
        let workflow = crate::support::workflow(tasks);
        porpoise_engine::Plan::compile(std::sync::Arc::new(workflow)).unwrap()
    };
    let moves = Moves::between(&plan("a; b; c; gone; d"), &plan("new; b; c; a; d"));
    let edited = |placement, written_back| {
        RunFact::Edited(Box::new(Edited {
            before: VersionHash::of(b"before"),
            version: VersionHash::of(b"after"),
            moves: moves.clone(),
            tasks: Ranges::of([0, 1, 2, 300]),
            actor: actor(),
            parameters: vec![("region".into(), "eu".into())],
            placement,
            pools: vec![(
                porpoise_model::PoolId::of_name(ProjectId::of_name("retail"), "wh"),
                Ranges::of([1, 3]),
            )],
            written_back,
            project_parameters: None,
            goes_on: None,
        }))
    };
    let place = Placement {
        place: "aws.eu-west-1.111122223333".parse().unwrap(),
        ..Placement::default()
    };
    still_read(
        "run-edited-1.cbor",
        vec![edited(Placement::default(), false), edited(place, true)],
    );
}

#[test]
fn records_of_mapped_tasks_still_read() {
    let list = |name: &str, values: &[&str]| {
        let values = values.iter().map(ToString::to_string).collect();
        (name.to_owned(), values)
    };
    let lists = vec![list("region", &["eu", "us"]), list("day", &["1", "2", "3"])];
    let ended = |element, state, cause, outputs| RunFact::ElementEnded {
        task: 7,
        element,
        state,
        started: Some(at(97)),
        ended: at(98),
        cause,
        outputs,
    };
    let cause = Cause::Rejected {
        message: "no".to_owned(),
    };
    let outputs = Outputs::from([("rows".to_owned(), Value::text("7"))]);
    let attempt = Attempt::of(7, 2).with_element(1_023);
    still_read(
        "run-mapped-1.cbor",
        vec![
            RunFact::Mapped {
                task: 7,
                elements: Elements::expand(lists, &[], 5).unwrap(),
                kept: None,
            },
            RunFact::ElementsStarted { task: 7, to: 4 },
            RunFact::Element {
                task: 7,
                element: 300,
                said: 70_000,
                stage: ChildStage::Running,
                started: Some(at(97)),
            },
            ended(0, RunState::Succeeded, None, Some(outputs)),
            ended(1, RunState::Failed, Some(cause), None),
            ended(1_023, RunState::Canceled, None, None),
            RunFact::Done {
                key: EffectKey::Dispatch(attempt),
            },
        ],
    );
}

#[test]
fn records_of_mapped_tasks_that_go_on_still_read() {
    let days = vec![("day".to_owned(), vec!["1".to_owned(); 1_000])];
    let plan = |tasks: &str| {
        let workflow = crate::support::workflow(tasks);
        porpoise_engine::Plan::compile(std::sync::Arc::new(workflow)).unwrap()
    };
    let facts = vec![
        RunFact::Mapped {
            task: 7,
            elements: Elements::expand(days, &[], 1_024).unwrap(),
            kept: Some(Ranges::of((0..400).chain(401..1_000))),
        },
        RunFact::Edited(Box::new(Edited {
            before: VersionHash::of(b"before"),
            version: VersionHash::of(b"after"),
            moves: Moves::between(&plan("a; b"), &plan("b; a")),
            tasks: Ranges::of([0, 1]),
            actor: actor(),
            parameters: Vec::new(),
            placement: Placement::default(),
            pools: Vec::new(),
            written_back: false,
            project_parameters: None,
            goes_on: Some(Ranges::one(1)),
        })),
    ];
    still_read("run-mapped-goes-on-1.cbor", facts);
}

#[test]
fn records_of_waits_for_other_workflows_still_read() {
    let wait = Wait { task: 7, number: 3 };
    let look = Look { wait, number: 300 };
    let outputs = Outputs::from([("rows".to_owned(), Value::text("7"))]);
    let finding = |position, verdict, outputs| Finding {
        position,
        verdict,
        runs: vec![RunId::from_bytes([9; 16])],
        why: "why".to_owned(),
        outputs,
    };
    still_read(
        "run-awaits-1.cbor",
        vec![
            RunFact::Awaits {
                tasks: Ranges::of([1, 2, 7]),
            },
            RunFact::LooksAgain { task: 7 },
            RunFact::Found {
                look,
                found: vec![
                    finding(0, Verdict::Met, Some(outputs)),
                    finding(1, Verdict::Failed, None),
                    finding(2, Verdict::Open, None),
                ],
            },
            RunFact::Met { task: 7 },
            RunFact::Done {
                key: EffectKey::Unsubscribe(wait),
            },
            RunFact::Done {
                key: EffectKey::Stir(301),
            },
            RunFact::Failed {
                task: 7,
                started: None,
                ended: at(99),
                cause: Cause::Unmet {
                    by: "it".to_owned(),
                },
                retry: None,
            },
        ],
    );
}

#[test]
fn records_of_runs_of_a_backfill_still_read() {
    let along = GoesAlong {
        project: ProjectId::of_name("shop"),
        number: 3,
    };
    for (name, dependent) in [
        ("run-backfill-1.cbor", None),
        ("run-backfill-dependent-1.cbor", Some(along)),
    ] {
        let Some(RunFact::Created(mut new)) = run_facts().into_iter().next() else {
            return;
        };
        new.trigger = Trigger::Backfill {
            backfill: BackfillId::from_bytes([6; 16]),
            dependent,
        };
        still_read(name, vec![RunFact::Created(new)]);
    }
}

#[test]
fn a_record_for_a_later_reader_is_refused_by_its_number() {
    let mut bytes = Record::<RunFact> {
        at: at(0),
        facts: vec![],
    }
    .to_bytes();
    *bytes.get_mut(1).unwrap() = 9;
    let error = Record::<RunFact>::from_bytes(&bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the record needs reader 9, this release is reader 1: upgrade it"
    );
}

#[test]
fn fields_that_a_later_writer_added_are_skipped() {
    let mut e = minicbor::Encoder::new(Vec::new());
    let millis = at(0).as_millisecond();
    e.array(4).unwrap().u16(1).unwrap().i64(millis).unwrap();
    e.array(1).unwrap().array(2).unwrap().u32(12).unwrap();
    e.array(3)
        .unwrap()
        .u32(7)
        .unwrap()
        .str("budget")
        .unwrap()
        .str("new")
        .unwrap();
    e.str("more").unwrap();
    let read = Record::<RunFact>::from_bytes(&e.into_writer()).unwrap();
    assert_eq!(
        read.facts,
        [RunFact::Waiting {
            task: 7,
            why: "budget".into()
        }]
    );
}
