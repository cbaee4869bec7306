//! The real server is killed at random moments, again and again, while clients submit runs and give commands; what the
//! tasks wrote then proves that nothing was lost and nothing ran twice.
//!
//! Start reading at [`chaos`], then `load.rs` (clients), `checks.rs` (the proof from the journal of the tasks) and
//! `log.rs` (the same for the facts that the server tells).
#![expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "a test: a panic is a finding, time is real, and its numbers are small"
)]

mod chance;
mod checks;
mod harness;
mod load;
mod log;
mod markers;
mod tampered;
mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use porpoise_app::Executors;
use porpoise_model::RunState;
use rustix::process::Signal;
use serde_json::{Value, json};

use chance::Chance;
use checks::{Known, journal_faults};
use harness::{Client, Site};
use load::{Booked, Load, Signals, is_over};
use log::Log;
use markers::{Journal, Tasks};
use workload::{POOL, SLOTS, Shape, TICK};

/// How long everything may take to end once nobody kills any more.
const SETTLE: Duration = Duration::from_mins(2);
/// Faults that are printed.
const FAULTS_SHOWN: usize = 40;

/// A number from the environment.
fn knob(name: &str, or: u64) -> u64 {
    let value = std::env::var_os(name).and_then(|value| value.into_string().ok());
    value.map_or(or, |value| value.parse().expect("a number"))
}

#[test]
fn nothing_is_lost_and_nothing_runs_twice_however_often_the_server_is_killed() {
    let kills = knob("PORPOISE_CHAOS_KILLS", 40);
    let found = chaos(knob("PORPOISE_CHAOS_SEED", 1), kills, false);
    assert!(found.is_empty(), "{} faults", found.len());
}

#[test]
fn a_server_whose_locks_vanish_is_found_out() {
    let found = chaos(knob("PORPOISE_CHAOS_SEED", 1), 6, true);
    assert!(found.iter().any(|fault| fault.contains("ran 2 times")));
}

/// What was done.
#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    /// Kills before the server said that it was ready.
    early: u64,
    restarts: u64,
    /// Jobs that were at work when the server was killed, all kills together.
    orphans: usize,
}

/// Everything that is wrong after `kills` kills. With `sabotage`, the locks of attempts at work vanish at each kill.
fn chaos(seed: u64, kills: u64, sabotage: bool) -> Vec<String> {
    println!("seed {seed} (PORPOISE_CHAOS_SEED), {kills} kills (PORPOISE_CHAOS_KILLS)");
    let begun = Instant::now();
    let mut site = Site::new();
    let shapes = Shape::all();
    site.launch();
    site.ready();
    prepare(&site, &shapes);
    let signals = Signals::default();
    let mut tally = Tally::default();
    let mut booked: Vec<Booked> = scope(|scope| {
        let clients: Vec<_> = (1..=2)
            .map(|number| {
                let markers = site.markers().display().to_string();
                let name = format!("client{number}");
                let mut load = Load::new(
                    &name,
                    site.client(),
                    &shapes,
                    markers,
                    &signals,
                    seed * 10 + number,
                );
                scope.spawn(move || {
                    load.submit("layered");
                    load.submit("slow");
                    load.work()
                })
            })
            .collect();
        let mut chance = Chance::new(seed);
        for _ in 0..kills {
            kill_once(&mut site, &mut chance, &signals, &mut tally, sabotage);
        }
        signals.stop.store(true, Ordering::Relaxed);
        let booked = clients.into_iter().map(|client| client.join().unwrap());
        booked.flatten().collect()
    });
    let client = site.client();
    let killed = begun.elapsed();
    let mut faults = Vec::new();
    let scheduled = scheduled(&client, &shapes, &mut faults);
    let instants = scheduled.len();
    booked.extend(scheduled);
    faults.extend(settle(&client, &booked));
    let settled = begun.elapsed();
    booked.sort_by(|a, b| a.id.cmp(&b.id));
    let attempts = examine(&site, &shapes, &booked, &mut faults);
    faults.extend(stop(&mut site));
    let tasks: usize = booked.iter().map(|run| shapes[run.shape].tasks.len()).sum();
    let commands: usize = booked.iter().map(|run| run.commands.len()).sum();
    println!(
        "chaos: {} kills ({} while it started), {} restarts, {} runs ({instants} of a schedule), {tasks} tasks, {attempts} attempts, {commands} \
         commands, {} requests repeated, {} jobs at work when their server was killed; killed for {killed:.0?}, settled \
         after {settled:.0?}, {:.0?} in all; seed {seed}, {} faults",
        tally.kills,
        tally.early,
        tally.restarts,
        booked.len(),
        signals.repeats.load(Ordering::Relaxed),
        tally.orphans,
        begun.elapsed(),
        faults.len(),
    );
    if !faults.is_empty() && !sabotage {
        for fault in faults.iter().take(FAULTS_SHOWN) {
            println!("fault: {fault}");
        }
        println!("kept in {}", site.keep().display());
    }
    faults
}

fn prepare(site: &Site, shapes: &[Shape]) {
    let client = site.client();
    for shape in shapes {
        let definition = shape.definition(&site.markers());
        let (status, body) = client.post("/workflows", &definition, shape.name);
        assert!(status < 300, "{}: {body}", shape.name);
    }
    let (status, body) = client.put(
        &format!("/pools/{POOL}?wait=5s"),
        &json!({ "slots": SLOTS }),
    );
    assert!(status == 202 && body["state"] == "accepted", "{body}");
}

/// Waits for a random moment, kills the server, starts it again.
fn kill_once(
    site: &mut Site,
    chance: &mut Chance,
    signals: &Signals,
    tally: &mut Tally,
    sabotage: bool,
) {
    match chance.below(10) {
        // In the middle of its recovery.
        0..=2 => sleep(Duration::from_millis(chance.between(0, 100))),
        _ => sleep(Duration::from_millis(chance.between(100, 1_500))),
    }
    while signals.open.load(Ordering::Relaxed) == 0 {
        sleep(Duration::from_millis(1));
    }
    site.end(Signal::KILL);
    tally.kills += 1;
    tally.orphans += Journal::read(&site.markers()).in_flight();
    if sabotage {
        remove_locks(&site.data().join("attempts"));
    }
    if chance.percent(20) {
        // Jobs end meanwhile.
        sleep(Duration::from_millis(chance.between(100, 800)));
    }
    tally.restarts += 1;
    site.launch();
    if chance.percent(25) {
        sleep(Duration::from_millis(chance.between(0, 60)));
        site.end(Signal::KILL);
        tally.kills += 1;
        tally.early += 1;
        tally.restarts += 1;
        site.launch();
    }
    site.ready();
}

/// Takes away what says that attempts without an end were begun.
fn remove_locks(dir: &Path) {
    for shard in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        for attempt in std::fs::read_dir(shard.path()).unwrap().flatten() {
            if !attempt.path().join("status").exists() {
                let _ = std::fs::remove_file(attempt.path().join("lock"));
            }
        }
    }
}

/// Ends the schedule; gives the runs that it made: one for an instant.
fn scheduled(client: &Client, shapes: &[Shape], faults: &mut Vec<String>) -> Vec<Booked> {
    let off = json!({ "online": false });
    let path = format!("/workflows/{TICK}/schedule?wait=10s");
    let (_, body) = client.post(&path, &off, "off");
    if body["state"] != "accepted" {
        faults.push(format!("the schedule was not switched off: {body}"));
    }
    // What it made last is on its way into the list.
    sleep(Duration::from_secs(1));
    let mut instants = BTreeSet::new();
    let shape = shapes.iter().position(|shape| shape.name == TICK).unwrap();
    let runs = client.list(&format!("/runs?workflow={TICK}"));
    let runs = runs.iter().map(|run| {
        let instant = run["logical_date"].as_str().unwrap().to_owned();
        if run["trigger"] != "schedule" || !instants.insert(instant) {
            faults.push(format!("a second run of its instant: {run}"));
        }
        Booked::new(run["id"].as_str().unwrap().to_owned(), shape, None)
    });
    runs.collect()
}

/// Waits until every command is decided and every run is over.
fn settle(client: &Client, booked: &[Booked]) -> Vec<String> {
    let mut faults = Vec::new();
    let begun = Instant::now();
    for run in booked {
        for command in &run.commands {
            let path = format!("/runs/{}/commands/{}", run.id, command.id);
            while client.get(&path)["state"] == "pending" {
                if begun.elapsed() > Duration::from_secs(10) {
                    faults.push(format!(
                        "{}: {} was acknowledged and lost",
                        run.id, command.word
                    ));
                    break;
                }
                sleep(Duration::from_millis(50));
            }
        }
    }
    for run in booked {
        loop {
            let now = client.get(&format!("/runs/{}", run.id));
            if is_over(&now) {
                break;
            }
            if begun.elapsed() > SETTLE {
                faults.push(format!("{} never ends: {now}", run.id));
                break;
            }
            sleep(Duration::from_millis(50));
        }
    }
    faults
}

/// Holds everything against everything; gives how many attempts there were.
fn examine(site: &Site, shapes: &[Shape], booked: &[Booked], faults: &mut Vec<String>) -> usize {
    let client = site.client();
    let journal = Journal::read(&site.markers());
    let known = |run: &Booked| Known {
        shape: &shapes[run.shape],
        rerun: run.rerun,
        attacked: run.attacked,
    };
    let runs: BTreeMap<String, Known<'_>> = booked
        .iter()
        .map(|run| (run.id.clone(), known(run)))
        .collect();
    if runs.len() != booked.len() {
        faults.push("two requests made one run".to_owned());
    }
    faults.extend(journal_faults(&journal, &runs));
    let mut listed: Vec<String> = client
        .list("/runs")
        .iter()
        .map(|run| run["id"].as_str().unwrap().to_owned())
        .collect();
    listed.sort();
    let submitted: Vec<String> = runs.keys().cloned().collect();
    if listed != submitted {
        faults.push(format!(
            "{} runs were submitted, {} are listed",
            submitted.len(),
            listed.len()
        ));
    }
    let marks = journal.runs();
    let nothing = Tasks::new();
    let mut attempts = 0;
    for run in booked {
        if let Some(key) = &run.key {
            let path = format!("/workflows/{}/runs", shapes[run.shape].name);
            let body = json!({ "parameters": { "MARKERS": site.markers() } });
            let (_, again) = client.post(&path, &body, key);
            if again["run_id"] != run.id.as_str() {
                faults.push(format!("{}, submitted again, is {again}", run.id));
            }
        }
        let (dispatched, found) = examine_log(
            &client,
            known(run),
            run,
            marks.get(&run.id).unwrap_or(&nothing),
        );
        attempts += dispatched;
        faults.extend(
            found
                .into_iter()
                .map(|fault| format!("{} ({}): {fault}", run.id, shapes[run.shape].name)),
        );
    }
    let left = site.processes();
    faults.extend(
        left.into_iter()
            .map(|process| format!("left behind: {process}")),
    );
    attempts
}

fn examine_log(
    client: &Client,
    known: Known<'_>,
    run: &Booked,
    marks: &Tasks,
) -> (usize, Vec<String>) {
    let records = facts(client, &run.id);
    let log = Log::of(known, &records);
    let mut faults = log.faults.clone();
    faults.extend(log.against(marks));
    let now = client.get(&format!("/runs/{}", run.id));
    let tasks = client.list(&format!("/runs/{}/tasks", run.id));
    faults.extend(log.against_answers(&now, &tasks, records.len()));
    for command in &run.commands {
        let accepted = match log.commands.get(&command.id) {
            Some((_, true)) => "accepted",
            Some((_, false)) => "refused",
            None => "pending",
        };
        if accepted == "pending" || command.answer != "pending" && command.answer != accepted {
            faults.push(format!("{command:?} is {accepted}"));
        }
    }
    if log.commands.len() != run.commands.len() {
        faults.push(format!(
            "{} commands, {} decided",
            run.commands.len(),
            log.commands.len()
        ));
    }
    let canceled = run.attacked && log.state() == Some(RunState::Canceled);
    if log.state() != Some(known.shape.end()) && !canceled {
        faults.push(format!("it is {:?}", log.state()));
    }
    (log.attempts(), faults)
}

/// All records of a run, page by page.
fn facts(client: &Client, run: &str) -> Vec<Value> {
    let mut records: Vec<Value> = Vec::new();
    loop {
        let after = records
            .last()
            .map_or(0, |last| last["sequence"].as_u64().unwrap());
        let mut page = client.get(&format!("/runs/{run}/facts?after={after}&limit=50"));
        let items = page["items"].as_array_mut().unwrap();
        if items.is_empty() {
            return records;
        }
        records.append(items);
    }
}

/// The server rests, ends when it is told to, and leaves neither processes nor open aggregates.
///
/// It is started once more before: requests that are repeated when their run is over leave entries in the open index,
/// which the next sweep removes.
fn stop(site: &mut Site) -> Vec<String> {
    let mut faults = Vec::new();
    site.end(Signal::KILL);
    site.launch();
    site.ready();
    sleep(Duration::from_secs(1));
    let before = cpu_ticks(site.pid());
    sleep(Duration::from_secs(2));
    let ticks = cpu_ticks(site.pid()) - before;
    if ticks > 4 {
        faults.push(format!(
            "the server is busy when nothing is to be done: {ticks} ticks in 2 s"
        ));
    }
    let asked = Instant::now();
    let status = site.end(Signal::TERM);
    if !status.success() || asked.elapsed() > Duration::from_secs(5) {
        faults.push(format!(
            "it ended with {status} after {:?}",
            asked.elapsed()
        ));
    }
    let left = site.processes();
    faults.extend(
        left.into_iter()
            .map(|process| format!("left behind at the end: {process}")),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let open = runtime.block_on(async {
        let host = porpoise::host::Host::open(&site.data(), Executors::none()).unwrap();
        host.app().open_aggregates(None).await.unwrap()
    });
    faults.extend(open.iter().map(|address| format!("still open: {address}")));
    faults
}

/// Time that a process has used, in ticks of the kernel (1/100 s).
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
