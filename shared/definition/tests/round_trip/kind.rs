//! Kinds of tasks, made of what YAML could trip over.

use std::time::Duration;

use indexmap::IndexMap;
use porpoise_model::http::Http;
use porpoise_model::workflow::Kind;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{duration, filled, json, members, option, text};

pub(crate) fn kind() -> impl Strategy<Value = Kind> {
    let program = text().prop_filter("a program", |text| !text.is_empty());
    prop_oneof![
        Just(Kind::Noop),
        duration().prop_map(|duration| Kind::Sleep { duration }),
        text().prop_map(|script| Kind::Shell { script }),
        text().prop_map(|script| Kind::Python { script }),
        (program, vec(text(), 0..12)).prop_map(|(program, mut rest)| {
            rest.insert(0, program);
            Kind::Command { argv: rest }
        }),
        (filled(), vec(text(), 0..4), option(), members()).prop_map(
            |(entry_point, arguments, submit, request)| Kind::Spark {
                entry_point,
                arguments,
                submit,
                request
            }
        ),
        (filled(), option(), option(), members()).prop_map(|(query, init, options, request)| {
            Kind::Hive {
                query,
                init,
                options,
                request,
            }
        }),
        (
            (filled(), vec(text(), 0..4), option(), members()),
            (vec(filled(), 0..3), vec(filled(), 0..3)),
            (rows(), rows())
        )
            .prop_map(
                |((statement, arguments, database, request), (before, after), (rows, limit))| {
                    Kind::Sql {
                        statement,
                        arguments,
                        database,
                        request,
                        before,
                        after,
                        rows,
                        limit,
                    }
                }
            ),
        http(),
        (filled(), json()).prop_map(|(name, input)| Kind::Function { name, input }),
        (filled(), json()).prop_map(|(name, input)| Kind::StateMachine { name, input }),
        (text(), text(), json()).prop_map(|(system, name, parameters)| Kind::External {
            system,
            name,
            parameters
        }),
    ]
}

fn rows() -> impl Strategy<Value = Option<u32>> {
    proptest::option::of(1_u32..=1_000)
}

fn http() -> impl Strategy<Value = Kind> {
    use porpoise_model::http::Method as M;
    let method = select(vec![M::Get, M::Post, M::Put, M::Patch, M::Delete, M::Head]);
    let status = vec(select(vec!["200", "2xx", "any"]), 0..3);
    let body = prop_oneof![
        text().prop_map(|body| (Some(body), serde_json::Value::Null)),
        json().prop_map(|json| (None, json)),
    ];
    let wait = || proptest::option::of((1_u64..100_000).prop_map(Duration::from_millis));
    let checks = (status, option(), option());
    (method, body, checks, wait(), wait()).prop_map(
        |(method, (body, json), (status, contains, lacks), connect_timeout, timeout)| {
            let status = status.into_iter().map(str::to_owned).collect();
            Kind::Http(Box::new(Http {
                url: "https://example.com/x".to_owned(),
                method,
                query: IndexMap::from([("a b".to_owned(), "1".to_owned())]),
                headers: IndexMap::from([("X-Day".to_owned(), "a: b".to_owned())]),
                body,
                json,
                status,
                contains,
                lacks,
                connect_timeout,
                timeout,
            }))
        },
    )
}
