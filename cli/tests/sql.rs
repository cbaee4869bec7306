//! Statements by the real server and its wrappers: the promises of executors, data sources, outputs, and stopping.

use porpoise_databases::{Database, Engine, WithTls};
use porpoise_model::job::Work;
use porpoise_model::{Cause, Place as Where, Target};
use porpoise_ports::conformance::executor::Works;
use porpoise_ports::executor::{JobState, SubmitError};
use porpoise_ports::{Executor, executor_books_conformance, executor_conformance};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Place;
use crate::support::attempts::{Shared, end, log, numbered, open, secret};

const ENDLESS: &str =
    "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";

fn sql(statement: &str) -> Work {
    Work::Sql {
        statement: statement.to_owned(),
        arguments: Vec::new(),
        database: None,
        request: None,
        more: None,
    }
}

fn target(kind: &str, settings: &Value) -> Target {
    Target {
        name: "db".parse().unwrap(),
        revision: 1,
        kind: kind.to_owned(),
        place: Where::Local,
        role: None,
        settings: settings.to_string(),
    }
}

fn file(dir: &TempDir) -> Target {
    let file = dir.path().join("test.db");
    std::fs::write(&file, "").unwrap();
    target("sqlite", &json!({"file": file}))
}

executor_conformance!(statements, async || {
    let dir = TempDir::new().unwrap();
    let works = Works {
        short: sql("select 1"),
        long: sql(ENDLESS),
        target: Some(file(&dir)),
    };
    (Shared(open(dir.path())), works, dir)
});

executor_books_conformance!(statements_books, async || {
    let dir = TempDir::new().unwrap();
    let works = Works {
        short: sql("select 1"),
        long: sql("select 1"),
        target: Some(file(&dir)),
    };
    (Shared(open(dir.path())), works, dir)
});

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_data_source_gets_no_statement_and_a_data_source_nothing_else() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path());
    let script = Work::Shell {
        script: "true".to_owned(),
    };
    for (work, target, wanted) in [
        (sql("select 1"), None, "a target that is a data source"),
        (script, Some(file(&dir)), "`db` is a data source"),
        (
            sql("select 1"),
            Some(target("mysql", &json!({"host": "", "user": "u"}))),
            "`settings.host`",
        ),
        (
            sql("select 1"),
            Some(target(
                "mysql",
                &json!({"host": "127.0.0.1", "user": "u", "password": "${secret:none}"}),
            )),
            "there is no secret `none` here",
        ),
    ] {
        let refused = executor.submit(&numbered(1, work, target)).await;
        let Err(SubmitError::Rejected { message, .. }) = refused else {
            panic!("{refused:?}")
        };
        assert!(message.contains(wanted), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_comes_from_the_secrets_and_appears_nowhere() {
    let dir = TempDir::new().unwrap();
    for (number, engine, kind, database) in [
        (1, Engine::Postgresql, "postgresql", "postgres"),
        (2, Engine::Mariadb, "mysql", "mysql"),
    ] {
        let found = Database::shared(engine).unwrap();
        secret(dir.path(), "db", &found.password);
        let settings = json!({
            "host": "127.0.0.1", "port": found.port, "user": found.user, "database": database,
            "password": "${secret:db}",
        });
        let executor = open(dir.path());
        let job = numbered(
            number,
            sql("select 6 * 7 as answer"),
            Some(target(kind, &settings)),
        );
        executor.submit(&job).await.unwrap();
        let state = end(&executor, job.key).await;
        let JobState::Succeeded { outputs, .. } = &state else {
            panic!("{state:?}: {}", log(&executor, job.key).await)
        };
        assert_eq!(outputs.get("answer").unwrap().text, "42");
        let told = format!("{state:?} {}", log(&executor, job.key).await);
        assert!(!told.contains(&found.password), "{told}");
        let left = std::process::Command::new("grep")
            .args(["-rl", &found.password])
            .arg(dir.path().join("attempts"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&left.stdout), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fails_says_why() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path());
    let job = numbered(1, sql("select * from nowhere"), Some(file(&dir)));
    executor.submit(&job).await.unwrap();
    let state = end(&executor, job.key).await;
    let JobState::Failed { cause, .. } = state else {
        panic!("{state:?}")
    };
    let Cause::Failed { message } = cause else {
        panic!("{cause:?}")
    };
    assert!(message.contains("no such table: nowhere"), "{message}");
}

#[test]
fn a_workflow_asks_a_data_source_and_hands_on_what_it_found() {
    let place = Place::up();
    let file = place.work().join("shop.db");
    std::fs::write(&file, "").unwrap();
    let workflow = "workflow: shop\nproject: retail\nparameters: { day: '2026-11-21', ids: { type: list, value: '[1, 3]' } }\ntasks:\n  \
        make:\n    target: shop-db\n    sql:\n      before: [\"create table if not exists orders (id integer, day text, total text)\", delete from orders]\n      \
        statement: insert into orders values (1, ?, '0.10'), (2, ?, '2'), (3, ?, '12345678901234567890.5')\n      arguments: [\"${day}\", \"${day}\", \"${day}\"]\n  \
        find:\n    after: [make]\n    target: shop-db\n    sql: { statement: \"select id as ids, total from orders where day = ? and id in (?) order by id\", arguments: [\"${day}\", \"${ids}\"] }\n    \
        outputs: { ids: { type: list }, total: { type: varchar } }\n  \
        use:\n    after: [find]\n    env: { found: \"${find.ids}\", total: \"${find.total}\" }\n    shell: 'echo \"$found $total\"'\n";
    place.file("shop.yaml", workflow);
    place.ok(&["apply", "shop.yaml"]);
    let refused = place.run(&["run", "shop"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("names the target `shop-db`"), "{said}");
    let source = json!({"kind": "sqlite", "place": "local", "settings": {"file": file}});
    place.file("db.json", &source.to_string());
    place.ok(&["target", "put", "db.json", "--name", "retail/shop-db"]);
    place.ok(&["run", "shop"]);
    let said = place.ok(&["logs", "latest", "use"]);
    assert!(said.contains(r#"["1","3"] 0.10"#), "{said}");
    let said = place.ok(&["logs", "latest", "find"]);
    assert!(
        said.contains("with 3 values") && said.contains("2 rows"),
        "{said}"
    );
    // whatever a value holds, it is a value: found as such, and nothing of it was done
    let hostile = "day=x'); drop table orders; --";
    place.ok(&["run", "shop", "-p", hostile]);
    let said = place.ok(&["logs", "latest", "use"]);
    assert!(said.contains(r#"["1","3"] 0.10"#), "{said}");
    for task in ["make", "find"] {
        let said = place.ok(&["logs", "latest", task]);
        assert!(!said.contains("drop table"), "{said}");
    }
}

#[test]
fn a_data_source_is_refused_with_its_password_and_where_nobody_speaks_to_it() {
    let place = Place::up();
    place.file(
        "w.yaml",
        "workflow: w\nproject: p\ntasks:\n  a: { noop: }\n",
    );
    place.ok(&["apply", "w.yaml"]);
    let put = |source: &Value| {
        place.file("db.json", &source.to_string());
        let output = place.run(&["target", "put", "db.json", "--name", "p/db"]);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let server = json!({"host": "db", "user": "etl", "password": "hunter22"});
    let said = put(&json!({"kind": "mysql", "place": "local", "settings": server}));
    assert!(
        said.contains("settings.password") && said.contains("${secret:NAME}"),
        "{said}"
    );
    assert!(!said.contains("hunter22"), "{said}");
    let server = json!({"host": "db", "user": "etl", "password": "${secret:db}"});
    let said = put(
        &json!({"kind": "mysql", "place": "aws.eu-central-1.111122223333", "settings": server}),
    );
    assert!(said.contains("from a region of AWS"), "{said}");
    assert_eq!(
        put(&json!({"kind": "mysql", "place": "local", "settings": server})),
        ""
    );
    assert_eq!(
        put(&json!({"kind": "postgresql", "place": "site.berlin", "settings": server})),
        ""
    );
}

#[test]
fn a_connection_test_says_who_answers_or_why_nobody_does() {
    let place = Place::up();
    place.file(
        "w.yaml",
        "workflow: w\nproject: p\ntasks:\n  a: { noop: }\n",
    );
    place.ok(&["apply", "w.yaml"]);
    let put = |name: &str, source: &Value| {
        place.file("db.json", &source.to_string());
        place.ok(&["target", "put", "db.json", "--name", name]);
    };
    let file = place.work().join("shop.db");
    std::fs::write(&file, "").unwrap();
    put(
        "p/file",
        &json!({"kind": "sqlite", "place": "local", "settings": {"file": file}}),
    );
    let said = place.ok(&["target", "test", "file"]);
    assert!(said.starts_with("p/file answers: SQLite 3."), "{said}");
    std::fs::write(&file, "this is no database, whatever its name says").unwrap();
    let failed = place.run(&["target", "test", "file"]);
    let said = String::from_utf8_lossy(&failed.stdout).into_owned();
    assert!(said.contains("does not answer: "), "{said}");
    assert!(said.contains("not a database"), "{said}");

    let found = Database::shared(Engine::Postgresql).unwrap();
    secret(&place.data(), "db", &found.password);
    secret(&place.data(), "other", "hunter22hunter");
    let server = |secret: &str, database: &str| {
        json!({"kind": "postgresql", "place": "local", "settings": {
            "host": "127.0.0.1", "port": found.port, "user": found.user, "database": database,
            "password": format!("${{secret:{secret}}}"),
        }})
    };
    put("p/good", &server("db", "postgres"));
    let told = place.json(&["target", "test", "p/good"]);
    assert_eq!(told["state"], "succeeded", "{told}");
    let version = told["version"].as_str().unwrap();
    assert!(version.starts_with("PostgreSQL "), "{version}");
    for (name, source, wanted) in [
        (
            "p/wrong",
            server("other", "postgres"),
            "the password is not that user's",
        ),
        (
            "p/nowhere",
            server("db", "nowhere"),
            "there is no database `nowhere`",
        ),
        (
            "p/absent",
            server("absent", "postgres"),
            "there is no secret `absent` here",
        ),
    ] {
        put(name, &source);
        let failed = place.run(&["target", "test", name]);
        assert_eq!(failed.status.code(), Some(1), "{name}");
        let said = String::from_utf8_lossy(&failed.stdout).into_owned();
        assert!(said.contains(wanted), "{said}");
        let log = place.run(&["logs", "latest", "connect"]);
        let all = format!(
            "{said}{}{}",
            String::from_utf8_lossy(&failed.stderr),
            String::from_utf8_lossy(&log.stdout)
        );
        assert!(!all.contains("hunter22hunter") && !all.contains(&found.password));
    }
    // no workflow came of it, and what has nothing to connect to says so
    assert_eq!(place.ok(&["workflows"]).lines().count(), 2);
    place.file(
        "site.json",
        r#"{"kind": "process", "place": "site.berlin"}"#,
    );
    place.ok(&["target", "put", "site.json", "--name", "p/berlin"]);
    let refused = place.run(&["target", "test", "berlin"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("a connection test is for data sources"),
        "{said}"
    );
}

#[test]
fn tls_is_used_where_it_is_wanted_and_only_with_servers_that_prove_who_they_are() {
    let [postgresql, mariadb] =
        [Engine::Postgresql, Engine::Mariadb].map(|engine| WithTls::start(engine).unwrap());
    for (itself, other, kind, database, is_encrypted) in [
        (
            &postgresql,
            &mariadb,
            "postgresql",
            "postgres",
            "select ssl as encrypted from pg_stat_ssl where pid = pg_backend_pid()",
        ),
        (
            &mariadb,
            &postgresql,
            "mysql",
            "mysql",
            "select variable_value <> '' as encrypted from information_schema.session_status \
             where variable_name = 'Ssl_cipher'",
        ),
    ] {
        let WithTls {
            database: found,
            authority,
            ..
        } = itself;
        let mut place = Place::new();
        place.start_with(&[("SSL_CERT_FILE", authority)]);
        secret(&place.data(), "db", &found.password);
        let put = |place: &Place, tls: bool| {
            let source = json!({"kind": kind, "place": "local", "settings": {
                "host": "127.0.0.1", "port": found.port, "user": found.user, "database": database,
                "password": "${secret:db}", "tls": tls,
            }});
            place.file("db.json", &source.to_string());
            place.ok(&["target", "put", "db.json", "--name", "p/db"]);
        };
        let workflow = json!({"workflow": "w", "project": "p", "tasks": {"ask": {
            "target": "db", "sql": is_encrypted, "outputs": ["encrypted"],
        }}});
        place.file("w.json", &workflow.to_string());
        place.ok(&["apply", "w.json"]);
        for (tls, encrypted) in [(true, ["t", "true", "1"]), (false, ["f", "false", "0"])] {
            put(&place, tls);
            place.ok(&["target", "test", "db"]);
            place.ok(&["run", "w"]);
            let told = place.json(&["show", "latest", "ask"]);
            let said = told["outputs"]["encrypted"].to_string();
            let said = said.trim_matches('"');
            assert!(encrypted.contains(&said), "{kind} {tls}: {told}");
        }

        // nobody here vouches for it
        place.stop(rustix::process::Signal::TERM);
        place.start_with(&[("SSL_CERT_FILE", &other.authority)]);
        put(&place, true);
        let failed = place.run(&["target", "test", "db"]);
        assert_eq!(failed.status.code(), Some(1));
        let said = String::from_utf8_lossy(&failed.stdout).into_owned();
        let wanted = "the certificate of `127.0.0.1` proves nothing here";
        assert!(said.contains(wanted), "{kind}: {said}");
    }
}

#[test]
fn an_imported_statement_binds_its_values_and_writes_out_only_what_it_asks_for() {
    let place = Place::up();
    let file = place.work().join("shop.db");
    std::fs::write(&file, "").unwrap();
    let workflow = "workflow: shop\nproject: retail\ndialect: dolphinscheduler/3.1\nparameters: { day: today, table: orders }\ntasks:\n  \
        make: { target: db, sql: \"create table orders (day text); create table users (name text)\" }\n  \
        put: { after: [make], target: db, sql: \"insert into !{table} values ('${day}'), (${day})\" }\n  \
        find: { after: [put], target: db, sql: \"select count(*) as n, (select count(*) from users) as u from orders where day = '${day}'\" }\n";
    place.file("shop.yaml", workflow);
    place.ok(&["apply", "shop.yaml"]);
    let source = json!({"kind": "sqlite", "place": "local", "settings": {"file": file}});
    place.file("db.json", &source.to_string());
    place.ok(&["target", "put", "db.json", "--name", "retail/db"]);
    place.ok(&["run", "shop", "-p", "day=x'); drop table users; --"]);
    let said = place.ok(&["logs", "latest", "put"]);
    assert!(
        said.contains("insert into orders values (?), (?)"),
        "{said}"
    );
    assert!(said.contains("with 2 values"), "{said}");
    let found = place.json(&["show", "latest", "find"]);
    let outputs = &found["outputs"];
    assert_eq!(
        (&outputs["n"], &outputs["u"]),
        (&json!("2"), &json!("0")),
        "{found}"
    );
}
