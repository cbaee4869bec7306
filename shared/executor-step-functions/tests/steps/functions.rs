//! Functions, called by a state machine.

use std::io::{Cursor, Write as _};

use porpoise_model::Cause;
use porpoise_model::job::Work;
use porpoise_ports::conformance::executor::Works;
use porpoise_ports::executor::{JobState, SubmitError};
use porpoise_ports::{Executor as _, executor_conformance};
use serde_json::{Value, json};

use crate::support::{Account, REGION, end, job};

/// What `docs/targets.md` says that a caller is.
fn caller() -> Value {
    let docs = include_str!("../../../../docs/targets.md");
    let (_, after) = docs.split_once("The caller:\n\n```json\n").unwrap();
    let (definition, _) = after.split_once("```").unwrap();
    serde_json::from_str(definition).unwrap()
}

/// An account with a caller, and a function whose code this is.
async fn account(code: &str) -> Account {
    let account = Account::new();
    let standard = aws_sdk_sfn::types::StateMachineType::Standard;
    account.machine_of("call", &caller(), standard).await;
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("main.py", options).unwrap();
    zip.write_all(code.as_bytes()).unwrap();
    let zip = zip.finish().unwrap().into_inner();
    let function = json!({
        "FunctionName": "work",
        "Runtime": "python3.12",
        "Handler": "main.handler",
        "Role": format!("arn:aws:iam::{}:role/work", account.id),
        "Timeout": 900,
        "Code": {"ZipFile": base64(&zip)},
    });
    // the emulator reads no more of a signature than whose it is
    let signed = format!(
        "AWS4-HMAC-SHA256 Credential={}/20261121/{REGION}/lambda/aws4_request, SignedHeaders=host, Signature=0",
        account.id
    );
    let create = ureq::post(format!("{}/2015-03-31/functions", account.endpoint));
    let created = create.header("authorization", signed).send_json(function);
    assert_eq!(created.unwrap().status(), 201);
    account
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4_usize {
            let index = usize::try_from(bits >> (18 - 6 * digit) & 63).unwrap();
            let filled = digit <= chunk.len();
            text.push(if filled {
                char::from(DIGITS[index])
            } else {
                '='
            });
        }
    }
    text
}

fn function(input: &Value) -> Work {
    Work::Function {
        name: "work".to_owned(),
        input: input.to_string(),
    }
}

const CODE: &str = "
import time

def handler(event, context):
    if event.get('fail'):
        raise ValueError(event['fail'])
    time.sleep(event.get('seconds', 0))
    return {'twice': event.get('number', 0) * 2, 'given': event}
";

executor_conformance!(lambda, async || {
    let account = account(CODE).await;
    let works = Works {
        short: function(&json!({})),
        long: function(&json!({"seconds": 60})),
        target: Some(account.target("lambda", &json!({"caller": "call"}))),
    };
    (account.executor(), works, ())
});

#[tokio::test]
async fn a_function_is_given_its_input_and_its_answer_is_handed_on() {
    let account = account(CODE).await;
    let target = account.target("lambda", &json!({"caller": "call"}));
    let executor = account.executor();
    let input = json!({"number": 21, "text": "a \"quoted\" one"});
    let state = end(&executor, &job(1, function(&input), &target)).await;
    let JobState::Succeeded { outputs, .. } = state else {
        panic!("{state:?}");
    };
    assert_eq!(outputs["twice"].text, "42");
    assert_eq!(outputs["given"].text, input.to_string());
    let fails = function(&json!({"fail": "no such table"}));
    let state = end(&executor, &job(2, fails, &target)).await;
    let JobState::Failed {
        cause: Cause::Failed { message },
        ..
    } = state
    else {
        panic!("{state:?}");
    };
    // the emulator has a word of its own for what AWS calls `ValueError`
    assert!(message.ends_with(": no such table"), "{message}");
}

#[tokio::test]
async fn what_can_not_be_called_is_rejected_with_a_reason() {
    let account = account(CODE).await;
    let executor = account.executor();
    let elsewhere = Work::Function {
        name: "arn:aws:lambda:us-east-1:111122223333:function:work".to_owned(),
        input: "{}".to_owned(),
    };
    let machine = Work::StateMachine {
        name: "call".to_owned(),
        input: "{}".to_owned(),
    };
    let call = json!({"caller": "call"});
    let cases = [
        (function(&json!({})), json!({}), "missing field `caller`"),
        (
            function(&json!({})),
            json!({"caller": "other"}),
            "StateMachineDoesNotExist",
        ),
        (elsewhere, call.clone(), "none of this target's place"),
        (machine, call, "runs `function` tasks, not `state_machine`"),
    ];
    for (number, (work, settings, wanted)) in cases.into_iter().enumerate() {
        let target = account.target("lambda", &settings);
        let job = job(u32::try_from(number).unwrap(), work, &target);
        let error = executor.submit(&job).await.unwrap_err();
        let SubmitError::Rejected { message, .. } = error else {
            panic!("{wanted}: {error:?}");
        };
        assert!(message.contains(wanted), "{wanted}: {message}");
    }
}
