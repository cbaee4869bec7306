//! Jobs as real processes: outcomes, environment, outputs, logs, stopping, and what outlives the server.

use std::fs;
use std::path::Path;
use std::time::Duration;

use porpoise_executor_local::layout::AttemptDir;
use porpoise_executor_local::{FileSecrets, Limits, LocalExecutor};
use porpoise_model::Cause;
use porpoise_ports::Executor;
use porpoise_ports::executor::{JobRef, JobState, SubmitError, Work};
use tempfile::TempDir;

use crate::support::{
    appears, cause, declare, dies, end, job, limits, log, open, open_with, run, running, shell,
    state,
};

fn parent(pid: &str) -> String {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    rest.split_whitespace().nth(1).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_and_signals_are_causes() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path());
    assert!(matches!(
        run(&executor, &shell(1, "true")).await,
        JobState::Succeeded { .. }
    ));
    let failed = run(&executor, &shell(2, "exit 7")).await;
    assert_eq!(cause(failed), Cause::Exit { code: 7 });
    let killed = run(&executor, &shell(3, "kill -9 $$")).await;
    assert_eq!(cause(killed), Cause::Signal { signal: 9 });
    let argv = vec!["no-such-program-here".to_owned()];
    let missing = run(&executor, &job(4, Work::Command { argv })).await;
    let Cause::Rejected { message } = cause(missing) else {
        panic!()
    };
    assert!(message.contains("no-such-program-here"), "{message}");
    let script = "import sys; sys.exit(3)".to_owned();
    let python = run(&executor, &job(5, Work::Python { script })).await;
    assert_eq!(cause(python), Cause::Exit { code: 3 });
}

#[tokio::test(flavor = "multi_thread")]
async fn submits_at_the_same_time_start_one_process() {
    let dir = TempDir::new().unwrap();
    let mark = dir.path().join("mark");
    let job = shell(1, &format!("echo x >> {}", mark.display()));
    let executors = [open(dir.path()), open(dir.path())];
    let calls: Vec<_> = (0..16)
        .map(|index: usize| {
            let (executor, job) = (executors[index % 2].clone(), job.clone());
            tokio::spawn(async move { executor.submit(&job).await.unwrap() })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    end(&executors[0], job.key).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(fs::read_to_string(mark).unwrap(), "x\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_before_the_submit_starts_nothing() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path());
    let mark = dir.path().join("mark");
    let job = shell(1, &format!("touch {}", mark.display()));
    executor.cancel(&JobRef::of(job.key)).await.unwrap();
    let refused = executor.submit(&job).await;
    assert!(matches!(refused, Err(SubmitError::Canceled)), "{refused:?}");
    assert!(matches!(
        state(&executor, job.key).await,
        Some(JobState::Canceled { .. })
    ));
    assert!(!mark.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn cancels_and_submits_that_race_agree_on_what_happened() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path());
    for number in 0..40 {
        let mark = dir.path().join(format!("mark-{number}"));
        let job = shell(number, &format!("touch {}; sleep 30", mark.display()));
        let (canceler, key) = (executor.clone(), job.key);
        let cancel = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_micros(u64::from(number) * 200)).await;
            canceler.cancel(&JobRef::of(key)).await.unwrap();
        });
        let submitted = executor.submit(&job).await;
        cancel.await.unwrap();
        let end = end(&executor, key).await;
        assert!(matches!(end, JobState::Canceled { .. }), "{end:?}");
        if submitted.is_err() {
            assert!(!mark.exists());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_the_whole_tree_also_those_in_sessions_of_their_own() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path());
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    let script = format!(
        "trap '' TERM\nsetsid sh -c 'trap \"\" TERM; echo $$ > {}; sleep 300; sleep 300' &\nsh -c 'echo $$ > {}; sleep 300' &\nwhile :; do sleep 1; done",
        a.display(),
        b.display()
    );
    let job = shell(1, &script);
    executor.submit(&job).await.unwrap();
    appears(&a).await;
    appears(&b).await;
    executor.cancel(&JobRef::of(job.key)).await.unwrap();
    let end = end(&executor, job.key).await;
    assert!(matches!(end, JobState::Canceled { .. }), "{end:?}");
    dies(&fs::read_to_string(a).unwrap()).await;
    dies(&fs::read_to_string(b).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_leaves_behind_ends_with_it() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path());
    let pid = dir.path().join("pid");
    let path = pid.display();
    let script =
        format!("setsid sh -c 'echo $$ > {path}; sleep 300' & while [ ! -s {path} ]; do :; done");
    let job = shell(1, &script);
    let end = run(&executor, &job).await;
    assert!(matches!(end, JobState::Succeeded { .. }), "{end:?}");
    dies(&fs::read_to_string(pid).unwrap()).await;
    assert!(log(&executor, job.key).await.contains("left behind"));
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_come_from_the_file_and_from_set_value() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path());
    let script = "echo rows=42 >> $PORPOISE_OUTPUT\necho undeclared=1 >> $PORPOISE_OUTPUT\n\
        echo 'x ${setValue(a=1)} #{setValue(b=2=3)} y'\n";
    let mut all = shell(1, script);
    for name in ["rows", "a", "b", "unset"] {
        declare(&mut all, name, "");
    }
    declare(&mut all, "default", "kept");
    let JobState::Succeeded { outputs, .. } = run(&executor, &all).await else {
        panic!()
    };
    let found: Vec<_> = outputs
        .iter()
        .map(|(k, v)| format!("{k}={}", v.text))
        .collect();
    assert_eq!(found, ["a=1", "b=2=3", "default=kept", "rows=42"]);
    for (number, dialect, expected) in [
        (2, "dolphinscheduler/2.0", &["b"][..]),
        (3, "dolphinscheduler/3.1", &["b"]),
        (4, "dolphinscheduler/3.3", &["a", "b"]),
    ] {
        let mut job = shell(
            number,
            "echo 'x ${setValue(a=1)}'\necho '${setValue(b=2)} y'\n",
        );
        job.dialect = dialect.to_owned();
        declare(&mut job, "a", "");
        declare(&mut job, "b", "");
        let JobState::Succeeded { outputs, .. } = run(&executor, &job).await else {
            panic!()
        };
        let found: Vec<_> = outputs.keys().cloned().collect();
        assert_eq!(found, expected, "{dialect}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_that_are_too_long_or_no_text_fail_the_attempt() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path());
    let scripts = [
        (
            "(printf a=; head -c 5000 /dev/zero | tr '\\0' x) > $PORPOISE_OUTPUT",
            "5000 bytes",
        ),
        ("printf 'a=\\377\\n' > $PORPOISE_OUTPUT", "UTF-8"),
        ("rm $PORPOISE_OUTPUT; mkfifo $PORPOISE_OUTPUT", "no file"),
    ];
    for (number, (script, expected)) in (0..).zip(scripts) {
        let mut job = shell(number, script);
        declare(&mut job, "a", "");
        let Cause::Unresolved { message } = cause(run(&executor, &job).await) else {
            panic!()
        };
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_sees_a_clean_environment() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path());
    let mut job = shell(1, "/usr/bin/env | sort; ls -l /proc/self/fd | wc -l; pwd");
    job.task_name = "a; rm -rf / $(id) 依赖\n\"'".to_owned();
    for (name, value) in [
        ("day", "$(id) `x`"),
        ("bad-name", "1"),
        ("日期", "1"),
        ("PORPOISE_TASK", "x"),
    ] {
        job.env.insert(name.to_owned(), value.to_owned());
    }
    let end = run(&executor, &job).await;
    assert!(matches!(end, JobState::Succeeded { .. }), "{end:?}");
    let log = log(&executor, job.key).await;
    assert!(log.contains("out day=$(id) `x`\n"), "{log}");
    assert!(
        log.contains("out PORPOISE_TASK=a; rm -rf / $(id) 依赖\n"),
        "{log}"
    );
    for absent in ["bad-name", "日期", "CARGO", "PORPOISE_GRACE"] {
        assert!(!log.contains(absent), "{absent} in {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_bounded_and_keeps_its_head_and_its_tail() {
    let dir = TempDir::new().unwrap();
    let log_bytes_max = 20_000;
    let executor = open_with(
        dir.path(),
        Limits {
            log_bytes_max,
            ..limits()
        },
    );
    let job = shell(
        1,
        "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done; sleep 0.2; echo last >&2",
    );
    run(&executor, &job).await;
    let log = log(&executor, job.key).await;
    assert!(log.len() < 21_000, "{}", log.len());
    assert!(log.contains(" out line 0\n"), "{log}");
    assert!(log.contains(" out line 4999\n"), "{log}");
    assert!(log.contains("bytes were cut here"), "{log}");
    assert!(log.contains(" err last\n"), "{log}");
    let first = log.split(' ').next().unwrap();
    assert!(first.parse::<jiff::Timestamp>().is_ok(), "{first}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_wrapper_is_killed_is_lost_and_its_processes_end() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path());
    let mark = dir.path().join("pid");
    // No other test uses this number: what is left of a lost job is killed by its key.
    let job = shell(701, &format!("echo $$ > {}; sleep 300", mark.display()));
    executor.submit(&job).await.unwrap();
    appears(&mark).await;
    let pid = fs::read_to_string(&mark).unwrap();
    let wrapper = parent(&pid);
    let killed = std::process::Command::new("kill")
        .args(["-9", &wrapper])
        .status();
    assert!(killed.unwrap().success());
    assert_eq!(cause(end(&executor, job.key).await), Cause::Lost);
    dies(&pid).await;
    assert_eq!(cause(end(&open(dir.path()), job.key).await), Cause::Lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_beyond_the_limit_wait() {
    let dir = TempDir::new().unwrap();
    let executor = open_with(
        dir.path(),
        Limits {
            parallel: 1,
            ..limits()
        },
    );
    let mut news = executor.completions();
    let first = shell(1, "sleep 0.3");
    executor.submit(&first).await.unwrap();
    let busy = executor.submit(&shell(2, "true")).await;
    assert!(matches!(busy, Err(SubmitError::Busy)), "{busy:?}");
    executor.submit(&first).await.unwrap();
    assert_eq!(news.recv().await, Some(first.key));
    assert!(matches!(
        state(&executor, first.key).await,
        Some(JobState::Running { .. })
    ));
    assert_eq!(news.recv().await, Some(first.key));
    assert!(matches!(
        state(&executor, first.key).await,
        Some(JobState::Succeeded { .. })
    ));
    executor.submit(&shell(2, "true")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrapper_that_cannot_run_fails_the_attempt() {
    let dir = TempDir::new().unwrap();
    let executor = LocalExecutor::open(dir.path(), vec!["/bin/false".into()], limits()).unwrap();
    let job = shell(1, "true");
    assert!(matches!(
        cause(run(&executor, &job).await),
        Cause::Rejected { .. }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_written_down_and_not_started_is_started_by_the_list() {
    let dir = TempDir::new().unwrap();
    let job = shell(1, "true");
    let attempt = AttemptDir::of(&dir.path().canonicalize().unwrap(), job.key);
    fs::create_dir_all(attempt.path()).unwrap();
    let executor = open(dir.path());
    assert_eq!(state(&executor, job.key).await, None);
    fs::write(attempt.path().join("job"), minicbor::to_vec(&job).unwrap()).unwrap();
    assert!(matches!(
        end(&executor, job.key).await,
        JobState::Succeeded { .. }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_reach_the_job_and_nothing_that_is_kept() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("secrets");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("DB"), "open-sesame\n").unwrap();
    let wrapper = env!("CARGO_BIN_EXE_porpoise-attempt-wrapper").into();
    let secrets = std::sync::Arc::new(FileSecrets::new(dir.path()));
    let executor =
        LocalExecutor::open_with_secrets(dir.path(), vec![wrapper], limits(), secrets).unwrap();
    let mut job = shell(
        1,
        "test ${#pw} = 13 && echo $pw; echo o=$pw > $PORPOISE_OUTPUT",
    );
    job.env.insert("pw".to_owned(), "a:${secret:DB}".to_owned());
    job.secrets.insert("DB".to_owned());
    declare(&mut job, "o", "");
    let refused = executor.submit(&job).await;
    assert!(
        matches!(&refused, Err(SubmitError::Rejected { message, .. }) if message.contains("0600")),
        "{refused:?}"
    );
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(path.join("DB"), mode).unwrap();
    let end = run(&executor, &job).await;
    assert!(matches!(end, JobState::Succeeded { .. }), "{end:?}");
    assert!(log(&executor, job.key).await.contains("out a:***\n"));
    let attempt = AttemptDir::of(&dir.path().canonicalize().unwrap(), job.key);
    for name in ["job", "log", "status", "lock"] {
        let bytes = fs::read(attempt.path().join(name)).unwrap();
        assert!(
            !String::from_utf8_lossy(&bytes).contains("open-sesame"),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_only_a_value_names_stays_a_text() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("secrets");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("DB"), "open-sesame\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(path.join("DB"), mode).unwrap();
    let wrapper = env!("CARGO_BIN_EXE_porpoise-attempt-wrapper").into();
    let secrets = std::sync::Arc::new(FileSecrets::new(dir.path()));
    let executor =
        LocalExecutor::open_with_secrets(dir.path(), vec![wrapper], limits(), secrets).unwrap();
    let mut job = shell(1, r#"test "$pw" = '${secret:DB}'"#);
    job.env.insert("pw".to_owned(), "${secret:DB}".to_owned());
    let end = run(&executor, &job).await;
    assert!(matches!(end, JobState::Succeeded { .. }), "{end:?}");
}

/// The submitting process is this test, run again with the folder in its environment, and then killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_survives_its_server_and_another_one_learns_its_end() {
    const FOLDER: &str = "PORPOISE_TEST_FOLDER";
    let job = |dir: &Path| {
        let dir = dir.display();
        shell(
            1,
            &format!("echo x >> {dir}/begun; while [ ! -e {dir}/go ]; do sleep 0.02; done; exit 5"),
        )
    };
    if let Some(dir) = std::env::var_os(FOLDER) {
        let dir = Path::new(&dir);
        let executor = open(dir);
        executor.submit(&job(dir)).await.unwrap();
        tokio::time::sleep(Duration::from_mins(1)).await;
        return;
    }
    let dir = TempDir::new().unwrap();
    let mut server = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "process::a_job_survives_its_server_and_another_one_learns_its_end",
        ])
        .env(FOLDER, dir.path())
        .spawn()
        .unwrap();
    appears(&dir.path().join("begun")).await;
    server.kill().unwrap();
    server.wait().unwrap();
    let (executor, job) = (open(dir.path()), job(dir.path()));
    let mut news = executor.completions();
    running(&executor, job.key).await;
    executor.submit(&job).await.unwrap();
    fs::write(dir.path().join("go"), "").unwrap();
    assert_eq!(news.recv().await, Some(job.key));
    assert_eq!(
        cause(end(&executor, job.key).await),
        Cause::Exit { code: 5 }
    );
    assert_eq!(fs::read_to_string(dir.path().join("begun")).unwrap(), "x\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_was_cut_off_was_told_to_nobody() {
    let dir = TempDir::new().unwrap();
    // No other test uses this number: what is left of a lost job is killed by its key.
    let job = shell(702, "true");
    run(&open(dir.path()), &job).await;
    let status = AttemptDir::of(&dir.path().canonicalize().unwrap(), job.key)
        .path()
        .join("status");
    let whole = fs::read(&status).unwrap();
    for length in 0..whole.len() {
        fs::write(&status, &whole[..length]).unwrap();
        let state = end(&open(dir.path()), job.key).await;
        assert_eq!(cause(state), Cause::Lost, "{length} bytes of it");
    }
    let again = end(&open(dir.path()), job.key).await;
    assert_eq!(cause(again), Cause::Lost, "and that is final");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_says_nothing_has_an_empty_log_that_is_over() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path());
    let job = shell(1, "true");
    assert!(
        executor
            .log(&JobRef::of(job.key), 0, 10)
            .await
            .unwrap()
            .is_none()
    );
    run(&executor, &job).await;
    assert_eq!(log(&executor, job.key).await, "");
}
