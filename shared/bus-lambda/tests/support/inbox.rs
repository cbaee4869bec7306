//! Functions on the emulator in the place of dispatchers: each keeps what it is handed as a file.

use std::io::{Cursor, Write as _};
use std::path::Path;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use bytes::Bytes;
use porpoise_ports::intents::Intents;
use porpoise_region::unique;
use serde_json::Value;

use super::config::config;

const CODE: &str = "
import json, os, uuid

def handler(event, context):
    name = os.path.join(os.environ['INBOX'], uuid.uuid4().hex)
    with open(name, 'w') as file:
        json.dump(event, file)
    os.rename(name, name + '.json')
";

/// A client of the emulator.
pub fn client() -> Client {
    let ministack = porpoise_region::ministack().unwrap();
    Client::from_conf(config(ministack.endpoint()).build())
}

/// The ARN of a function that keeps what it is handed in `inbox`.
pub async fn function(inbox: &Path) -> String {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("main.py", options).unwrap();
    zip.write_all(CODE.as_bytes()).unwrap();
    let zip = zip.finish().unwrap().into_inner();
    let environment = Environment::builder().variables("INBOX", inbox.to_str().unwrap());
    let call = client().create_function().function_name(unique("inbox"));
    let call = call.runtime(Runtime::Python312).handler("main.handler");
    let call = call.role("arn:aws:iam::000000000000:role/inbox");
    let call = call.environment(environment.build());
    let code = FunctionCode::builder().zip_file(Blob::new(zip)).build();
    let made = call.code(code).send().await.unwrap();
    made.function_arn.unwrap()
}

/// What has come since the last look: each as the dispatcher reads it.
pub fn arrived(inbox: &Path) -> Vec<(String, Vec<Bytes>)> {
    let files = std::fs::read_dir(inbox)
        .unwrap()
        .map(|file| file.unwrap().path());
    let whole = files.filter(|file| file.extension().is_some_and(|end| end == "json"));
    let read = whole.map(|file| {
        let mut event: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        std::fs::remove_file(file).unwrap();
        assert_eq!(event["source"], "porpoise");
        assert_eq!(event["detail-type"], "Intents");
        let detail: Intents = serde_json::from_value(event["detail"].take()).unwrap();
        (detail.place, detail.intents)
    });
    read.collect()
}
