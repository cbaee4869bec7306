//! State machines.

use aws_sdk_sfn::types::StateMachineType;
use porpoise_model::Cause;
use porpoise_ports::conformance::executor::Works;
use porpoise_ports::executor::{JobState, SubmitError};
use porpoise_ports::{Executor as _, executor_conformance};
use serde_json::json;

use crate::support::{Account, end, job, machine, reference};

/// An account with a state machine that is over at once and one that is not.
async fn account() -> Account {
    let account = Account::new();
    account
        .machine("short", json!({"Type": "Pass", "End": true}))
        .await;
    account
        .machine("long", json!({"Type": "Wait", "Seconds": 600, "End": true}))
        .await;
    account
}

executor_conformance!(named, async || {
    let account = account().await;
    let settings = json!({"state_machines": ["short", "long"]});
    let works = Works {
        short: machine("short", &json!({})),
        long: machine("long", &json!({})),
        target: Some(account.target("step-functions", &settings)),
    };
    (account.executor(), works, ())
});

executor_conformance!(of_the_whole_place, async || {
    let account = account().await;
    let works = Works {
        short: machine("short", &json!({})),
        long: machine("long", &json!({})),
        target: Some(account.target("step-functions", &json!({}))),
    };
    (account.executor(), works, ())
});

#[tokio::test]
async fn an_execution_is_given_its_input_and_hands_on_its_output() {
    let account = account().await;
    let target = account.target("step-functions", &json!({}));
    let input = json!({"day": "2026-11-21", "rows": 42});
    let executor = account.executor();
    let job = job(1, machine("short", &input), &target);
    let JobState::Succeeded {
        started,
        ended,
        outputs,
    } = end(&executor, &job).await
    else {
        panic!("it did not succeed");
    };
    assert!(ended >= started);
    let text = |name: &str| outputs[name].text.as_str();
    assert_eq!((text("day"), text("rows")), ("2026-11-21", "42"));
    assert_eq!(text("output"), input.to_string());
    let arn = format!(
        "arn:aws:states:eu-central-1:{}:execution:short:{}",
        account.id, job.key
    );
    assert_eq!(text("execution_arn"), arn);
    let again = executor.submit(&job).await.unwrap();
    assert_eq!(again.external_id, arn);
    let known = reference(&job, Some(&again));
    let link = executor.link(&known).await.unwrap().unwrap();
    assert!(link.ends_with(&arn), "{link}");
    let rate = executor.rate(Some(&target)).unwrap();
    assert!(rate.name.contains(&account.id), "{rate:?}");
}

#[tokio::test]
async fn a_failed_execution_says_why() {
    let account = Account::new();
    account
        .machine(
            "fails",
            json!({"Type": "Fail", "Error": "NoTable", "Cause": "orders is gone"}),
        )
        .await;
    let target = account.target("step-functions", &json!({}));
    let executor = account.executor();
    let state = end(&executor, &job(1, machine("fails", &json!({})), &target)).await;
    let JobState::Failed {
        cause: Cause::Failed { message },
        ..
    } = state
    else {
        panic!("{state:?}");
    };
    assert_eq!(message, "NoTable: orders is gone");
}

#[tokio::test]
async fn many_jobs_of_a_state_machine_are_told_of_whether_they_run_or_not() {
    let account = account().await;
    let target = account.target("step-functions", &json!({}));
    let executor = account.executor();
    let mut jobs = Vec::new();
    for number in 0..20 {
        let name = if number % 2 == 0 { "long" } else { "short" };
        let job = job(number, machine(name, &json!({})), &target);
        let submitted = executor.submit(&job).await.unwrap();
        if number == 4 {
            let known = reference(&job, Some(&submitted));
            executor.cancel(&known).await.unwrap();
        }
        if number % 2 == 1 {
            end(&executor, &job).await;
        }
        jobs.push(reference(&job, Some(&submitted)));
    }
    let reports = executor.list(&jobs).await.unwrap();
    assert_eq!(reports.len(), 20);
    for report in reports {
        let number = jobs.iter().position(|job| job.key == report.key).unwrap();
        let fits = match number {
            4 => matches!(report.state, JobState::Canceled { .. }),
            even if even % 2 == 0 => matches!(report.state, JobState::Running { .. }),
            _ => matches!(report.state, JobState::Succeeded { .. }),
        };
        assert!(fits, "{number}: {:?}", report.state);
    }
}

#[tokio::test]
async fn a_version_has_the_executions_of_its_state_machine() {
    let account = account().await;
    let arn = format!(
        "arn:aws:states:eu-central-1:{}:stateMachine:short",
        account.id
    );
    let publish = account.client();
    let publish = publish.publish_state_machine_version();
    let version = publish.state_machine_arn(&arn).send().await.unwrap();
    let version = version.state_machine_version_arn;
    let target = account.target("step-functions", &json!({"state_machines": ["short"]}));
    let executor = account.executor();
    let job = job(1, machine(&version, &json!({})), &target);
    let submitted = executor.submit(&job).await.unwrap();
    assert!(
        submitted.external_id.contains(":execution:short:"),
        "{submitted:?}"
    );
    let found = executor.list(&[reference(&job, None)]).await.unwrap();
    assert_eq!(found[0].external_id, submitted.external_id);
}

#[tokio::test]
async fn what_can_not_be_run_is_rejected_with_a_reason() {
    let account = account().await;
    let pass = json!({"StartAt": "Only", "States": {"Only": {"Type": "Pass", "End": true}}});
    account
        .machine_of("express", &pass, StateMachineType::Express)
        .await;
    let nothing = json!({});
    let elsewhere = "arn:aws:states:us-east-1:111122223333:stateMachine:short";
    let cases = [
        ("express", nothing.clone(), "use one of type STANDARD"),
        ("other", nothing.clone(), "StateMachineDoesNotExist"),
        (elsewhere, nothing.clone(), "none of this target's place"),
        (
            "short",
            json!({"state_machines": ["long"]}),
            "add it to `state_machines`",
        ),
        (
            "short",
            json!({"state_machines": ["a b"], "machine": 1}),
            "`settings.machine`: unknown field",
        ),
        (
            "short",
            json!({"state_machines": ["a b"], "machine": 1}),
            "`settings.state_machines[0]`: `a b` is neither",
        ),
    ];
    let executor = account.executor();
    for (number, (name, settings, wanted)) in cases.into_iter().enumerate() {
        let target = account.target("step-functions", &settings);
        let number = u32::try_from(number).unwrap();
        let job = job(number, machine(name, &json!({})), &target);
        let error = executor.submit(&job).await.unwrap_err();
        let SubmitError::Rejected { message, .. } = error else {
            panic!("{wanted}: {error:?}");
        };
        assert!(message.contains(wanted), "{wanted}: {message}");
    }
    let target = account.target("step-functions", &nothing);
    let large = json!({"text": "x".repeat(262_144)});
    for (work, wanted) in [
        (porpoise_model::job::Work::Noop, "not `noop`"),
        (machine("short", &large), "put it on S3"),
    ] {
        let error = executor.submit(&job(50, work, &target)).await.unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    }
    let mut nowhere = job(51, machine("short", &nothing), &target);
    nowhere.target = None;
    let error = executor.submit(&nowhere).await.unwrap_err();
    assert!(error.to_string().contains("needs a target"), "{error}");
}
