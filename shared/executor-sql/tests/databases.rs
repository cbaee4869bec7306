//! Statements on real databases: PostgreSQL and `MariaDB` as Debian has them, and SQLite.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and wait in real time"
)]

use std::future::pending;
use std::time::{Duration, Instant};

use porpoise_databases::{Database, Engine};
use porpoise_executor_sql::{Error, Job, run};
use porpoise_model::job::Statement;
use porpoise_model::{Outputs, Value, ValueType};
use porpoise_ports::source::{Server, Source};

/// A data source, and what proves who asks.
struct Place {
    source: Source,
    password: Option<String>,
    _folder: Option<tempfile::TempDir>,
}

fn server(engine: Engine, database: &str) -> Place {
    let found = Database::shared(engine).unwrap();
    let server = Server {
        host: "127.0.0.1".to_owned(),
        port: Some(found.port),
        database: Some(database.to_owned()),
        user: found.user,
        password: Some("${secret:x}".to_owned()),
        tls: None,
    };
    Place {
        source: match engine {
            Engine::Postgresql => Source::Postgresql(server),
            Engine::Mariadb => Source::Mysql(server),
        },
        password: Some(found.password),
        _folder: None,
    }
}

fn file() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    std::fs::write(&file, "").unwrap();
    Place {
        source: Source::Sqlite { file },
        password: None,
        _folder: Some(folder),
    }
}

fn plain(text: &str) -> Statement {
    Statement {
        text: text.to_owned(),
        ..Statement::default()
    }
}

fn with(text: &str, values: &[(&str, ValueType)]) -> Statement {
    Statement {
        text: text.to_owned(),
        arguments: values.iter().map(|(text, _)| (*text).to_owned()).collect(),
        types: values.iter().map(|(_, kind)| *kind).collect(),
    }
}

impl Place {
    async fn all(
        &self,
        before: &[Statement],
        statement: &Statement,
        declared: &Outputs,
    ) -> (Result<Outputs, Error>, String) {
        let job = Job {
            source: &self.source,
            password: self.password.as_deref(),
            database: None,
            before,
            statement,
            after: &[],
            rows: Some(2),
            limit: Some(5),
            outputs: declared,
        };
        let mut log = Vec::new();
        let done = run(&job, pending(), &mut log).await;
        (done, String::from_utf8(log).unwrap())
    }

    async fn ok(&self, statement: &Statement) -> Outputs {
        let (done, log) = self.all(&[], statement, &Outputs::new()).await;
        done.unwrap_or_else(|error| panic!("{error}\n{log}"))
    }

    async fn error(&self, text: &str) -> String {
        let (done, _) = self.all(&[], &plain(text), &Outputs::new()).await;
        done.unwrap_err().to_string()
    }
}

/// What all three do alike.
async fn alike(place: &Place, table: &str) {
    let made = format!(
        "drop table if exists {table}; create table {table} (id bigint, name varchar(40), price decimal(30, 10))"
    );
    place.ok(&plain(&made)).await;
    let rows = format!(
        "insert into {table} values (9007199254740993, 'a;b', 12345678901234567890.0123456789), (2, null, 0.5), (3, 'c', -1)"
    );
    assert_eq!(place.ok(&plain(&rows)).await["affected_rows"].text, "3");

    // values are bound, whatever they hold
    let nasty = "'; drop table users; --";
    let insert = with(
        &format!("insert into {table} values (?, ?, ?)"),
        &[
            ("4", ValueType::Long),
            (nasty, ValueType::Varchar),
            ("0.1", ValueType::Double),
        ],
    );
    place.ok(&insert).await;
    let find = with(
        &format!("select id, name from {table} where name = ? and id > ?"),
        &[(nasty, ValueType::Varchar), ("3", ValueType::Integer)],
    );
    let found = place.ok(&find).await;
    assert_eq!(
        (found["id"].text.as_str(), found["name"].text.as_str()),
        ("4", nasty)
    );

    // lists are spread, and an empty one finds nothing
    let count = |list: &'static str| {
        with(
            &format!("select count(*) as n from {table} where id in (?)"),
            &[(list, ValueType::List)],
        )
    };
    assert_eq!(place.ok(&count("[2, 3, 77]")).await["n"].text, "2");
    assert_eq!(place.ok(&count("[]")).await["n"].text, "0");

    // statements before share the connection; no digit is lost; NULL is none
    let declared = Outputs::from([(
        "id".to_owned(),
        Value {
            kind: ValueType::List,
            text: String::new(),
        },
    )]);
    let before = [plain(&format!(
        "create temporary table t_{table} as select * from {table}"
    ))];
    let all = plain(&format!("select id, name from t_{table} order by id desc"));
    let (done, log) = place.all(&before, &all, &declared).await;
    let found = done.unwrap_or_else(|error| panic!("{error}\n{log}"));
    assert_eq!(found["id"].text, r#"["9007199254740993","4","3","2"]"#);
    assert_eq!(found["name"].text, "a;b");
    assert!(
        found["rows"]
            .text
            .starts_with(r#"[{"id":"9007199254740993","name":"a;b"},"#)
    );
    assert!(log.contains("4 rows, of which 2 are shown"), "{log}");
    let many = format!("select a.id from {table} a, {table} b");
    let (done, log) = place.all(&[], &plain(&many), &Outputs::new()).await;
    done.unwrap();
    assert!(
        log.contains("5 or more rows, of which 2 are shown"),
        "{log}"
    );

    // what went wrong says where, and nothing after it is done
    let two = format!("select 1; select * from no_such_table; drop table {table}");
    let error = place.error(&two).await;
    assert!(error.starts_with("statement 2 of 3: "), "{error}");
    assert!(error.contains("no_such_table"), "{error}");
    place.ok(&plain(&format!("drop table {table}"))).await;
}

async fn is_stopped(place: &Place, endless: &str) {
    let statement = plain(endless);
    let declared = Outputs::new();
    let job = Job {
        source: &place.source,
        password: place.password.as_deref(),
        database: None,
        before: &[],
        statement: &statement,
        after: &[],
        rows: None,
        limit: None,
        outputs: &declared,
    };
    let begun = Instant::now();
    let stop = tokio::time::sleep(Duration::from_millis(500));
    let stopped = run(&job, stop, &mut Vec::new()).await;
    assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

/// Each reason for which there is no connection has words of its own, and none has the password.
async fn is_told_apart(engine: Engine, database: &str) {
    let with = |change: &dyn Fn(&mut Server), password: Option<&str>| {
        let mut place = server(engine, database);
        match &mut place.source {
            Source::Postgresql(server) | Source::Mysql(server) => change(server),
            Source::Sqlite { .. } => panic!(),
        }
        Place {
            password: password.map_or(place.password, |password| Some(password.to_owned())),
            ..place
        }
    };
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = nobody.local_addr().unwrap().port();
    drop(nobody);
    let user = Database::shared(engine).unwrap().user;
    for (place, wanted) in [
        (
            with(&|_| {}, Some("hunter22hunter")),
            format!("user `{user}` is not known there, or the password is not that user's"),
        ),
        (
            with(&|server| server.user = "nobody-at-all".into(), None),
            "user `nobody-at-all` is not known there, or the password".to_owned(),
        ),
        (
            with(&|server| server.database = Some("nowhere".to_owned()), None),
            "there is no database `nowhere`".to_owned(),
        ),
        (
            with(&|server| server.port = Some(closed), None),
            format!("nothing listens on port {closed} of `127.0.0.1`"),
        ),
        (
            with(&|server| server.host = "db.invalid".into(), None),
            "there is no host `db.invalid`".to_owned(),
        ),
        (
            with(&|server| server.tls = Some(true), None),
            "`127.0.0.1` speaks no TLS".to_owned(),
        ),
    ] {
        let error = place.error("select 1").await;
        assert!(error.contains(&wanted), "{wanted}: {error}");
        let password = place.password.unwrap();
        assert!(!error.contains(&password), "{error}");
    }
    let mut without = server(engine, database);
    without.password = None;
    let error = without.error("select 1").await;
    assert!(error.contains("wants a password"), "{error}");
}

fn is(found: &Outputs, wanted: &[(&str, &str)]) {
    for (name, wanted) in wanted {
        assert_eq!(found[*name].text, *wanted, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    let place = file();
    alike(&place, "orders").await;
    let numbers = with(
        "select ? + 1 as a, typeof(?) as b",
        &[("41", ValueType::Long), ("x", ValueType::Varchar)],
    );
    is(&place.ok(&numbers).await, &[("a", "42"), ("b", "text")]);
    let odd = plain("select x'00ff' as bytes, 0.1 as small, 1e300 as large");
    is(
        &place.ok(&odd).await,
        &[("bytes", "\\x00ff"), ("small", "0.1"), ("large", "1e300")],
    );
    let endless =
        "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";
    is_stopped(&place, endless).await;
    let missing = Place {
        source: Source::Sqlite {
            file: "/nowhere/at/all.db".into(),
        },
        password: None,
        _folder: None,
    };
    let error = missing.error("select 1").await;
    assert!(error.ends_with("there is no such file"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql() {
    let place = server(Engine::Postgresql, "postgres");
    alike(&place, "orders").await;
    let all = "select true as b, 1::int2 as i2, 2::int4 as i4, 1.5::float4 as f4, 0.1::float8 as f8, \
               12345678901234567890.01234567890::numeric as big, 0.0001::numeric as small, -100000::numeric as neg, \
               'NaN'::numeric as nan, date '2026-02-28' as day, time '12:34:56.5' as at, \
               timestamp '2026-11-22 07:08:09.123456' as plain_, \
               timestamptz '2026-11-22 07:08:09+02' as zoned, timestamptz 'infinity' as ever, \
               interval '1 year 2 days 03:04:05' as span, '\\x00ff'::bytea as bytes, \
               '6ecd8c99-4036-403d-bf84-cf8400f67836'::uuid as id, '{\"a\": 1}'::jsonb as j, \
               array[1, null, 3] as list_, array['a b', 'c'] as texts, 'x'::char(3) as padded, null::int as none";
    is(
        &place.ok(&plain(all)).await,
        &[
            ("b", "true"),
            ("i2", "1"),
            ("i4", "2"),
            ("f4", "1.5"),
            ("f8", "0.1"),
            ("big", "12345678901234567890.01234567890"),
            ("small", "0.0001"),
            ("neg", "-100000"),
            ("nan", "NaN"),
            ("day", "2026-02-28"),
            ("at", "12:34:56.500000"),
            ("plain_", "2026-11-22 07:08:09.123456"),
            ("zoned", "2026-11-22 05:08:09+00:00"),
            ("ever", "infinity"),
            ("span", "P1Y2DT3H4M5S"),
            ("bytes", "\\x00ff"),
            ("id", "6ecd8c99-4036-403d-bf84-cf8400f67836"),
            ("j", "{\"a\": 1}"),
            ("list_", "{1,NULL,3}"),
            ("texts", "{\"a b\",c}"),
            ("padded", "x  "),
            ("none", ""),
        ],
    );
    // texts are read as what they are compared with, also numbers and times
    let bound = with(
        "select ?::numeric + 1 as a, date '2026-01-02' > ? as b, $tag$?;$tag$ as c",
        &[
            ("0.10", ValueType::Varchar),
            ("2026-01-01", ValueType::Varchar),
        ],
    );
    is(
        &place.ok(&bound).await,
        &[("a", "1.10"), ("b", "true"), ("c", "?;")],
    );
    let error = place.error("select point(1, 2) as p").await;
    assert!(
        error.contains("column `p` is of the type `point`"),
        "{error}"
    );
    let error = place.error("select 1/0").await;
    assert!(
        error.contains("division by zero (SQLSTATE 22012)"),
        "{error}"
    );
    is_stopped(&place, "select pg_sleep(600)").await;
    let left = "select count(*) as n from pg_stat_activity where state = 'active' \
                and query like '%pg_sleep(600)%' and pid <> pg_backend_pid()";
    is(&place.ok(&plain(left)).await, &[("n", "0")]);
    let wrong = Place {
        password: Some("wrong-password".to_owned()),
        ..server(Engine::Postgresql, "postgres")
    };
    let error = wrong.error("select 1").await;
    assert!(error.contains("password authentication failed"), "{error}");
    assert!(!error.contains("wrong-password"), "{error}");
    let made = "create or replace procedure twice(given int, inout doubled int) language plpgsql \
                as $$ begin doubled := given * 2; end; $$";
    place.ok(&plain(made)).await;
    let call = with("call twice(?, null)", &[("21", ValueType::Integer)]);
    is(&place.ok(&call).await, &[("doubled", "42")]);
    let made = "create or replace function thrice(given int) returns int language sql as 'select given * 3'";
    place.ok(&plain(made)).await;
    let call = with(
        "select thrice(?) as \"inAll\"",
        &[("21", ValueType::Integer)],
    );
    is(&place.ok(&call).await, &[("inAll", "63")]);
    is_told_apart(Engine::Postgresql, "postgres").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb() {
    let whole = server(Engine::Mariadb, "mysql");
    whole
        .ok(&plain("create database if not exists test_sql"))
        .await;
    let place = server(Engine::Mariadb, "test_sql");
    alike(&place, "orders").await;
    let columns = "select 18446744073709551615 as large, 12345678901234567890.01 as big, date '2026-02-28' as day, \
                   timestamp '2026-11-22 07:08:09' as at, time '-12:34:56' as span, x'00ff' as bytes, null as none";
    // bound, they come in another form
    let bound = with(
        &format!("{columns}, ? as text"),
        &[("it's", ValueType::Varchar)],
    );
    for statement in [plain(columns), bound] {
        is(
            &place.ok(&statement).await,
            &[
                ("large", "18446744073709551615"),
                ("big", "12345678901234567890.01"),
                ("day", "2026-02-28"),
                ("at", "2026-11-22 07:08:09"),
                ("span", "-12:34:56"),
                ("bytes", "\\x00ff"),
                ("none", ""),
            ],
        );
    }
    let error = place.error("select * from nowhere.nothing").await;
    assert!(error.contains("SQLSTATE 42"), "{error}");
    is_stopped(&place, "select sleep(600)").await;
    let left = "select count(*) as n from information_schema.processlist \
                where info like '%sleep(600)%' and id <> connection_id()";
    is(&place.ok(&plain(left)).await, &[("n", "0")]);
    let wrong = Place {
        password: Some("wrong-password".to_owned()),
        ..server(Engine::Mariadb, "mysql")
    };
    let error = wrong.error("select 1").await;
    assert!(error.contains("Access denied"), "{error}");
    assert!(!error.contains("wrong-password"), "{error}");
    let made = "create or replace procedure twice(in given int, out doubled int) \
                begin set doubled = given * 2; end";
    place.ok(&plain(made)).await;
    let call = with(
        "call twice(?, @doubled); select @doubled as `doubled`",
        &[("21", ValueType::Integer)],
    );
    is(&place.ok(&call).await, &[("doubled", "42")]);
    let made =
        "create or replace function thrice(given int) returns int deterministic return given * 3";
    place.ok(&plain(made)).await;
    let call = with("select thrice(?) as `inAll`", &[("21", ValueType::Integer)]);
    is(&place.ok(&call).await, &[("inAll", "63")]);
    is_told_apart(Engine::Mariadb, "mysql").await;
}
