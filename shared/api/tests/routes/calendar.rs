//! Calendars, and schedules that follow them.

use serde_json::{Value, json};

use crate::support::Server;

const CALENDARS: &str = "/v1/projects/shop/calendars";
const BANK: &str = "/v1/projects/shop/calendars/bank";
const SCHEDULE: &str = "/v1/projects/shop/workflows/nightly/schedule";

fn nightly(calendar: &str) -> String {
    format!(
        "workflow: nightly\nproject: shop\n\
         schedule: {{ cron: \"30 2 * * *\", timezone: Europe/Berlin, calendar: {calendar}, excluded: next }}\n\
         tasks: {{ a: {{ noop: }} }}\n"
    )
}

async fn upcoming(server: &Server) -> Vec<String> {
    server.drive().await;
    let shown = server.get(SCHEDULE).await.expect(200);
    let times = shown["upcoming"].as_array().unwrap().iter().take(3);
    times
        .map(|at| at.as_str().unwrap()[..10].to_owned())
        .collect()
}

#[tokio::test]
async fn a_calendar_is_put_shown_listed_and_deleted() {
    let server = Server::still();
    let put = server
        .put(BANK, "dates: [2026-01-06, 2026-01-01]")
        .await
        .expect(200);
    assert_eq!(put["dates"], json!(["2026-01-01", "2026-01-06"]));
    let again = server
        .put(BANK, "dates: [2026-01-01, 2026-01-06]")
        .await
        .expect(200);
    assert_eq!(again["revision"], 1);
    assert_eq!(server.get(BANK).await.expect(200), put);
    let ics = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:x\r\nDTSTART;VALUE=DATE:20260101\r\nRRULE:FREQ=YEARLY;COUNT=2\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let put = server
        .put(&format!("{BANK}?weekdays=sunday"), ics)
        .await
        .expect(200);
    assert_eq!(
        (&put["dates"], &put["weekdays"], &put["revision"]),
        (
            &json!(["2026-01-01", "2027-01-01"]),
            &json!(["sunday"]),
            &json!(2)
        )
    );
    let list = server.get(CALENDARS).await.expect(200);
    assert_eq!(
        list["items"],
        json!([{"name": "bank", "dates": 2, "weekdays": ["sunday"], "revision": 2}])
    );
    server.delete(BANK).await.expect(200);
    server.get(BANK).await.problem(404, "PP0029");
    server.delete(BANK).await.problem(404, "PP0029");
    assert_eq!(server.get(CALENDARS).await.expect(200)["items"], json!([]));
    // Its revisions go on.
    assert_eq!(server.put(BANK, "{}").await.expect(200)["revision"], 4);
}

#[tokio::test]
async fn a_file_with_faults_changes_nothing_and_every_fault_is_told() {
    let server = Server::still();
    server.put(BANK, "dates: [2026-01-06]").await.expect(200);
    let problem = server
        .put(&format!("{BANK}?file=b.yaml"), "dates: [x, y]")
        .await
        .problem(422, "PP0015");
    let faults = problem["faults"].as_array().unwrap();
    let paths: Vec<&Value> = faults.iter().map(|fault| &fault["path"]).collect();
    assert_eq!(
        (paths, &faults[0]["file"]),
        (
            vec![&json!("dates[0]"), &json!("dates[1]")],
            &json!("b.yaml")
        )
    );
    server
        .put(&format!("{BANK}?weekdays=sonntag"), "{}")
        .await
        .problem(422, "PP0015");
    let every = "monday,tuesday,wednesday,thursday,friday,saturday,sunday";
    server
        .put(&format!("{BANK}?weekdays={every}"), "{}")
        .await
        .problem(422, "PP0015");
    assert_eq!(server.get(BANK).await.expect(200)["revision"], 1);
}

#[tokio::test]
async fn a_schedule_follows_its_calendar_and_hears_when_that_is_put_again() {
    let server = Server::still();
    let missing = server
        .post("/v1/projects/shop/workflows?file=n.yaml", nightly("bnak"))
        .await;
    let fault = &missing.problem(422, "PP0015")["faults"][0];
    assert_eq!(
        (&fault["path"], &fault["line"]),
        (&json!("schedule.calendar"), &json!(3))
    );
    server
        .put(BANK, "dates: [2026-01-01, 2026-01-02]")
        .await
        .expect(200);
    let missing = server
        .post("/v1/projects/shop/workflows", nightly("bnak"))
        .await;
    let fault = &missing.problem(422, "PP0015")["faults"][0];
    assert_eq!(fault["hint"], "did you mean `bank`?");
    server.apply("shop", &nightly("bank")).await;
    assert_eq!(
        upcoming(&server).await,
        ["2026-01-03", "2026-01-04", "2026-01-05"]
    );
    let shown = server.get(SCHEDULE).await.expect(200);
    assert_eq!(
        (
            &shown["calendar"]["revision"],
            &shown["calendar"]["changed"][0]
        ),
        (
            &json!(1),
            &json!({"from": "2026-01-01T02:30:00+01:00", "to": "2026-01-03"})
        )
    );
    server.put(BANK, "dates: [2026-01-04]").await.expect(200);
    assert_eq!(
        upcoming(&server).await,
        ["2026-01-01", "2026-01-02", "2026-01-03"]
    );
    let refused = server.delete(BANK).await.problem(409, "PP0030");
    assert!(refused["title"].as_str().unwrap().contains("`nightly`"));
    assert_eq!(
        server.get(BANK).await.expect(200)["used_by"],
        json!(["nightly"])
    );
    let preview = server
        .post(
            "/v1/projects/shop/workflows/nightly/backfill-preview",
            "{\"from\": \"2026-01-03\", \"to\": \"2026-01-05\"}",
        )
        .await
        .expect(200);
    assert_eq!(
        (&preview["count"], &preview["calendar"]),
        (&json!(2), &json!("bank"))
    );
    let without = nightly("bank").replace(", calendar: bank, excluded: next", "");
    server
        .post("/v1/projects/shop/workflows", without)
        .await
        .expect(200);
    assert_eq!(
        upcoming(&server).await,
        ["2026-01-01", "2026-01-02", "2026-01-03"]
    );
    server.delete(BANK).await.expect(200);
}
