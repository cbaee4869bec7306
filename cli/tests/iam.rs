//! The command line as a caller whom IAM knows: TLS, signatures, and what is said when somebody is not let in.

mod gateway;
mod signed;
use std::process::{Command, Output};

use jiff::SignedDuration;

use crate::support::Place;
use gateway::{ADA, Asked, Gateway, Rules, tells_nothing};
use signed::Known;

const HELLO: &str = "workflow: hallo\nproject: shop\ntasks:\n  load: { shell: 'echo one; echo two' }\n  依赖 prüfen: { after: [load], noop: }\n";
const SLOW: &str = "workflow: slow\nproject: shop\ntasks:\n  count: { shell: 'for i in 1 2 3 4 5; do echo line $i; sleep 0.2; done' }\n";

/// A server, and a gateway before it.
fn deployed(rules: Rules) -> (Place, Gateway) {
    let server = Place::up();
    let running = std::fs::read_to_string(server.data().join("server.json")).unwrap();
    let running: serde_json::Value = serde_json::from_str(&running).unwrap();
    let token = std::fs::read_to_string(server.data().join("token")).unwrap();
    let behind = (
        running["url"].as_str().unwrap().to_owned(),
        token.trim().to_owned(),
    );
    let gateway = Gateway::open(Rules {
        server: Some(behind),
        ..rules
    });
    (server, gateway)
}

/// A command as Ada, who trusts the gateway, and whose `aws` is nowhere.
fn command(client: &Place, gateway: &Gateway, words: &[&str]) -> Command {
    let mut command = client.command(words);
    command
        .env("PATH", client.work())
        .env("PORPOISE_URL", gateway.url())
        .env("SSL_CERT_FILE", gateway.authority())
        .env("AWS_ENDPOINT_URL_STS", gateway.url())
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", ADA.id)
        .env("AWS_SECRET_ACCESS_KEY", ADA.secret)
        .env("AWS_SESSION_TOKEN", ADA.session.unwrap());
    command
}

fn said(output: &Output) -> String {
    let (stdout, stderr) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(stdout),
        String::from_utf8_lossy(stderr)
    )
}

/// What a command prints that must succeed.
fn ok(client: &Place, gateway: &Gateway, words: &[&str]) -> String {
    let output = command(client, gateway, words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The lines of a log, without their times.
fn lines(log: &str) -> Vec<&str> {
    let lines = log.lines();
    lines
        .map(|line| line.split_once(" out ").unwrap().1)
        .collect()
}

/// Exit code and error of a command that must not succeed, which tells no secret.
fn refused(command: &mut Command, client: &Place) -> (i32, String) {
    let output = command.output().unwrap();
    let said = said(&output);
    assert!(!output.status.success(), "{said}");
    assert!(tells_nothing(&said, &client.data()), "{said}");
    (output.status.code().unwrap(), said)
}

#[test]
fn commands_reach_an_api_that_knows_its_callers_by_iam() {
    let (server, gateway) = deployed(Rules::default());
    let client = Place::new();
    client.file("hello.yaml", HELLO);
    client.file("slow.yaml", SLOW);
    client.file(
        "wrong.yaml",
        "workflow: wrong\nproject: shop\ntasks: { a: { after: [b], noop: } }\n",
    );
    client.file(
        "eu.json",
        r#"{"name": "eu", "kind": "emr-serverless", "place": "aws.eu-central-1.111122223333",
            "settings": {"application_name": "nightly"}}"#,
    );
    let applied = ok(&client, &gateway, &["apply", "hello.yaml", "slow.yaml"]);
    assert!(applied.contains("shop/hallo: created"), "{applied}");
    ok(
        &client,
        &gateway,
        &["target", "put", "eu.json", "--project", "shop"],
    );
    let ran = ok(&client, &gateway, &["run", "hallo"]);
    assert!(ran.contains("succeeded"), "{ran}");
    let runs = ok(
        &client,
        &gateway,
        &["runs", "--workflow", "shop/hallo", "--limit", "5"],
    );
    assert!(runs.contains("shop/hallo"), "{runs}");
    // names of any script, which are percent-encoded in an address and once more in what is signed
    let shown = ok(&client, &gateway, &["show", "latest", "依赖 prüfen"]);
    assert!(shown.contains("succeeded"), "{shown}");
    let log = ok(&client, &gateway, &["logs", "latest", "load"]);
    assert_eq!(lines(&log), ["one", "two"]);
    ok(&client, &gateway, &["run", "slow", "--no-watch"]);
    let followed = ok(&client, &gateway, &["logs", "-f", "latest", "count"]);
    assert_eq!(
        lines(&followed),
        ["line 1", "line 2", "line 3", "line 4", "line 5"]
    );
    let (code, fault) = refused(
        &mut command(&client, &gateway, &["apply", "wrong.yaml"]),
        &client,
    );
    assert!(code == 65 && fault.contains("no task named `b`"), "{fault}");
    // whatever was asked was signed, and the server's own token came from nobody
    let token = std::fs::read_to_string(server.data().join("token")).unwrap();
    let asked = gateway.asked();
    assert!(asked.len() > 10);
    for asked in asked {
        signed::check(&asked, &[ADA], ("execute-api", "eu-central-1")).unwrap();
        assert!(!format!("{asked:?}").contains(token.trim()));
    }
}

#[test]
fn an_address_of_aws_says_for_what_is_signed() {
    let hosts = [
        (
            "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com",
            ("execute-api", "eu-central-1"),
        ),
        (
            "f6g7h8.lambda-url.us-east-1.on.aws",
            ("lambda", "us-east-1"),
        ),
    ];
    for (host, scope) in hosts {
        let (_server, gateway) = deployed(Rules {
            scope,
            ..Rules::default()
        });
        let client = Place::new();
        let mut command = command(&client, &gateway, &["workflows"]);
        command
            .env_remove("AWS_REGION")
            .env("HTTPS_PROXY", gateway.proxy());
        let output = command
            .env("PORPOISE_URL", format!("https://{host}/v1"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(gateway.asked()[0].headers["host"], host);
    }
}

#[test]
fn a_token_goes_to_a_server_behind_tls_only_if_it_was_given() {
    let (server, gateway) = deployed(Rules::default());
    let token = std::fs::read_to_string(server.data().join("token")).unwrap();
    ok(&server, &gateway, &["workflows"]);
    let asked = gateway.asked();
    assert!(
        asked
            .iter()
            .all(|asked| asked.headers["authorization"].starts_with("AWS4-HMAC-SHA256 "))
    );
    ok(&server, &gateway, &["workflows", "--token", token.trim()]);
    let bearer = format!("Bearer {}", token.trim());
    assert_eq!(
        gateway.asked().last().unwrap().headers["authorization"],
        bearer
    );
    let mut wrong = command(&server, &gateway, &["workflows", "--token", "another"]);
    let (code, said) = refused(&mut wrong, &server);
    assert!(
        code == 65 && said.contains("does not take the token"),
        "{said}"
    );
}

#[test]
fn whoever_has_no_credentials_is_told_how_to_get_some() {
    let (_server, gateway) = deployed(Rules::default());
    let client = Place::new();
    let mut none = command(&client, &gateway, &["workflows"]);
    let (code, said) = refused(none.env_remove("AWS_ACCESS_KEY_ID"), &client);
    assert_eq!(code, 65);
    assert!(
        said.starts_with("error[PP0026]: there are no credentials of AWS to sign with"),
        "{said}"
    );
    assert!(
        said.contains("`aws` does not start") && said.contains("aws sso login"),
        "{said}"
    );
    let mut ended = command(&client, &gateway, &["workflows"]);
    let (_, said) = refused(
        ended.env("AWS_CREDENTIAL_EXPIRATION", "2026-01-01T00:00:00Z"),
        &client,
    );
    assert!(
        said.contains("those of the environment ended at 2026-01-01T00:00:00Z"),
        "{said}"
    );
    let mut nowhere = command(&client, &gateway, &["workflows"]);
    let (code, said) = refused(nowhere.env_remove("AWS_REGION"), &client);
    assert!(code == 64 && said.contains("nor its region"), "{said}");
    assert!(
        gateway.asked().is_empty(),
        "nothing is asked without a signature"
    );
}

#[test]
fn credentials_that_aws_does_not_take_are_told_from_those_that_lack_a_right() {
    let (_server, gateway) = deployed(Rules::default());
    let client = Place::new();
    let mut wrong = command(&client, &gateway, &["workflows"]);
    let (code, said) = refused(wrong.env("AWS_SECRET_ACCESS_KEY", "another"), &client);
    assert_eq!(code, 65);
    assert!(
        said.starts_with("error[PP0026]: AWS does not take the credentials of the environment"),
        "{said}"
    );
    assert!(said.contains("SignatureDoesNotMatch"), "{said}");
    let (_server, gateway) = deployed(Rules {
        allows: false,
        ..Rules::default()
    });
    let (code, said) = refused(&mut command(&client, &gateway, &["workflows"]), &client);
    assert_eq!(code, 65);
    assert!(said.starts_with("error[PP0003]: the server does not let `arn:aws:sts::111122223333:assumed-role/Dev/ada` in"), "{said}");
    assert!(
        said.contains("403 Forbidden") && said.contains("`execute-api:Invoke`"),
        "{said}"
    );
    let mut silent = command(&client, &gateway, &["workflows"]);
    let (_, said) = refused(
        silent.env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9"),
        &client,
    );
    assert!(
        said.contains("whoever has the access key `ASIAADA`"),
        "{said}"
    );
}

#[test]
fn a_clock_that_is_wrong_is_named() {
    let (_server, gateway) = deployed(Rules {
        ahead: SignedDuration::from_mins(20),
        ..Rules::default()
    });
    let client = Place::new();
    let (_, said) = refused(&mut command(&client, &gateway, &["workflows"]), &client);
    assert!(
        said.contains("the clock of this machine is 2") || said.contains("is 19m"),
        "{said}"
    );
    assert!(
        said.contains("behind that of the server") && said.contains("set the clock"),
        "{said}"
    );
}

#[test]
fn a_server_that_cannot_prove_who_it_is_is_asked_nothing() {
    let (_server, gateway) = deployed(Rules::default());
    let other = Gateway::open(Rules::default());
    let client = Place::new();
    let mut unknown = command(&client, &gateway, &["workflows"]);
    let (code, said) = refused(unknown.env("SSL_CERT_FILE", other.authority()), &client);
    assert_eq!(code, 69);
    assert!(
        said.contains("`localhost` has no certificate that this machine trusts"),
        "{said}"
    );
    assert!(said.contains("SSL_CERT_FILE"), "{said}");
    let mut named = command(&client, &gateway, &["workflows"]);
    let (_, said) = refused(
        named.env(
            "PORPOISE_URL",
            gateway.url().replace("localhost", "127.0.0.1"),
        ),
        &client,
    );
    assert!(
        said.contains("`127.0.0.1` has no certificate")
            && said.contains("not the server that the address names"),
        "{said}"
    );
    let mut no_roots = command(&client, &gateway, &["workflows"]);
    client.file("none.pem", "");
    let (_, said) = refused(
        no_roots.env("SSL_CERT_FILE", client.work().join("none.pem")),
        &client,
    );
    assert!(said.contains("this machine trusts no authority"), "{said}");
    assert!(gateway.asked().is_empty());
}

#[test]
fn an_address_that_leads_nowhere_is_named() {
    let gateway = Gateway::open(Rules::default());
    let client = Place::new();
    let mut nowhere = command(&client, &gateway, &["workflows"]);
    let (code, said) = refused(
        nowhere.env("PORPOISE_URL", "https://porpoise.invalid"),
        &client,
    );
    assert!(
        code == 69 && said.contains("there is no host `porpoise.invalid`"),
        "{said}"
    );
    let mut plain = command(&client, &gateway, &["workflows"]);
    let (code, said) = refused(
        plain
            .env("PORPOISE_URL", "localhost:1")
            .args(["--token", "t"]),
        &client,
    );
    assert!(
        code == 64 && said.contains("it begins with `http://` or `https://`"),
        "{said}"
    );
    let (code, said) = refused(&mut command(&client, &gateway, &["workflows"]), &client);
    assert!(
        code == 69 && said.contains("fails") && said.contains("503 Service Unavailable"),
        "{said}"
    );
}

#[test]
fn nothing_is_sent_to_where_a_server_sends() {
    let elsewhere = Gateway::open(Rules::default());
    let gateway = Gateway::open(Rules {
        sends_to: Some(format!("{}/v1/workflows", elsewhere.url())),
        ..Rules::default()
    });
    let client = Place::new();
    client.file("hello.yaml", HELLO);
    for words in [&["workflows"][..], &["apply", "hello.yaml"]] {
        let (code, said) = refused(&mut command(&client, &gateway, words), &client);
        assert!(
            code == 69 && said.contains("sends to `https://localhost:"),
            "{said}"
        );
        let mut with_token = command(&client, &gateway, words);
        refused(with_token.args(["--token", "t"]), &client);
    }
    assert_eq!(gateway.asked().len(), 4);
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn the_check_of_signatures_takes_what_aws_published_and_nothing_near_it() {
    // Source: the test suite of Signature Version 4 that AWS published, `get-vanilla`.
    let known = Known {
        id: "AKIDEXAMPLE",
        secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        session: None,
    };
    let headers = [
        ("host", "example.amazonaws.com"),
        ("x-amz-date", "20150830T123600Z"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
    ];
    let asked = Asked {
        method: "GET".to_owned(),
        target: "/".to_owned(),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        body: Vec::new(),
    };
    let check = |asked: &Asked| {
        signed::check(
            asked,
            std::slice::from_ref(&known),
            ("service", "us-east-1"),
        )
    };
    assert_eq!(check(&asked).unwrap(), "20150830T123600Z");
    let changes: [fn(&mut Asked); 4] = [
        |asked| asked.method = "PUT".to_owned(),
        |asked| asked.target = "/?a=b".to_owned(),
        |asked| asked.body = b"x".to_vec(),
        |asked| {
            asked
                .headers
                .insert("host".to_owned(), "example.org".to_owned());
        },
    ];
    for change in changes {
        let mut asked = asked.clone();
        change(&mut asked);
        check(&asked).unwrap_err();
    }
}

#[test]
fn an_agent_signs_what_it_asks_and_serves_its_site() {
    const FAR: &str =
        "workflow: far\nproject: shop\ntasks:\n  a: { target: berlin, shell: 'exit 3' }\n";
    let (server, gateway) = deployed(Rules::default());
    let site = Place::new();
    site.file("far.yaml", FAR);
    let target = r#"{"name": "berlin", "kind": "process", "place": "site.berlin"}"#;
    site.file("berlin.json", target);
    ok(&site, &gateway, &["apply", "far.yaml"]);
    let put = ["target", "put", "berlin.json", "--project", "shop"];
    ok(&site, &gateway, &put);
    let mut agent = command(&site, &gateway, &["agent", "--place", "site.berlin"]);
    // jobs need a shell
    agent.env("PATH", std::env::var_os("PATH").unwrap());
    let stdout = std::fs::File::create(site.work().join("said")).unwrap();
    let mut agent = agent.stdout(stdout).spawn().unwrap();
    let run = ok(&site, &gateway, &["run", "far", "--no-watch"]);
    let run = run.trim();
    let shown = server.wait_for(run, Some("a"), "failed");
    let pid = rustix::process::Pid::from_child(&agent);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(agent.wait().unwrap().success());
    assert_eq!(shown["attempt"], 1, "{shown}");
    let said = std::fs::read_to_string(site.work().join("said")).unwrap();
    let told = format!("a#1 of run {run}: failed, exit(3)");
    assert!(said.contains(&told), "{said}");
}
