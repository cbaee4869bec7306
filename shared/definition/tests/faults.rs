//! What is wrong in a file is said at its place, all at once, with a suggestion.

use crate::support::faults;

/// A workflow with the given tasks.
fn tasks(tasks: &str) -> String {
    faults(&format!("workflow: w\ntasks:\n{tasks}"))
}

#[test]
fn every_fault_of_a_file_is_reported_at_once() {
    insta::assert_snapshot!(faults("
workflow: daily
projet: retail
schedule: { cron: '61 2 * * *', timezone: Europe/Berln, missed: lastest }
timeout: 90
on_failure: stop
tasks:
  extract: { shel: echo }
  check: { after: [etxract, check], shell: echo, python: pass, retries: 5000 }
  load: { after: extract, timeout: 0s, pool: { name: p, slots: 0 }, sleep: 1h1h }
  '': { noop: }
  nothing: {}
  list: []
  text: echo hi
"), @r#"
    f.yaml:3:1: projet: no field named `projet`; did you mean `project`?
    f.yaml:4:20: schedule.cron: minute: `61` is out of range 0..=59
    f.yaml:4:43: schedule.timezone: no time zone named `Europe/Berln`; did you mean `Europe/Berlin`?
    f.yaml:4:65: schedule.missed: `lastest` is not known; did you mean `latest`?
    f.yaml:5:10: timeout: `90` has no unit; write `90s` for seconds, `90m` for minutes
    f.yaml:6:13: on_failure: `stop` is not known; one of: continue, end
    f.yaml:8:14: tasks.extract.shel: no field named `shel`; did you mean `shell`?
    f.yaml:9:20: tasks.check.after[0]: no task named `etxract`; did you mean `extract`?
    f.yaml:9:29: tasks.check.after[1]: a task cannot follow itself
    f.yaml:9:50: tasks.check.python: a task has one kind, this one has `shell` already
    f.yaml:9:73: tasks.check.retries: `5000` is no whole number from 0 to 1000
    f.yaml:10:18: tasks.load.after: expected a list, found a text; write `after: [extract]`
    f.yaml:10:36: tasks.load.timeout: a time-out of nothing; leave the field out for none
    f.yaml:10:64: tasks.load.pool.slots: `0` is no whole number from 1 to 100000
    f.yaml:10:76: tasks.load.sleep: `1h1h` is no duration; write it like `90s`, `5m`, `1h30m` or `2d`
    f.yaml:11:3: tasks."": a name must not be empty
    f.yaml:12:12: tasks.nothing: the task does nothing; give it one of: shell, python, command, spark, hive, sql, http, function, state_machine, switch, conditions, workflow, approval, dependent, noop, sleep, external
    f.yaml:13:9: tasks.list: expected a map, found a list
    f.yaml:14:9: tasks.text: expected what the task does, found a text; write `{ shell: … }` to run `echo hi`
    "#);
}

#[test]
fn every_fault_of_a_wait_for_other_workflows_is_reported() {
    insta::assert_snapshot!(tasks("
  a: { dependent: { needs: { workflow: orders, period: yesterday }, failure_wait: 5 } }
  b: { dependent: { needs: { all: [], project: p }, timezone: Europe/Berln } }
  c: { dependent: { needs: [orders] } }
  d: { dependent: { needs: { any: [{ workflow: w, any: [], period: today }, { workflow: w }] } } }
  e: { dependent: { needs: { workflow: w, task: t, all_tasks: true, period: today } }, retries: 3, env: { A: b } }
  f: { dependent: {} }
  g: { dependent: { needs: { workflw: w, period: today } } }
"), @"
    f.yaml:4:56: tasks.a.dependent.needs.period: `yesterday` is not known; one of: this_hour, last_hour, last_2_hours, last_3_hours, last_24_hours, today, last_day, last_2_days, last_3_days, last_7_days, this_week, last_week, last_monday, last_tuesday, last_wednesday, last_thursday, last_friday, last_saturday, last_sunday, this_month, this_month_begin, this_month_end, last_month, last_month_begin, last_month_end
    f.yaml:4:83: tasks.a.dependent.failure_wait: `5` has no unit; write `5s` for seconds, `5m` for minutes
    f.yaml:5:35: tasks.b.dependent.needs.all: there is nothing in it; write `{ workflow: NAME, period: last_day }`, or `all` or `any` of such
    f.yaml:5:39: tasks.b.dependent.needs.project: `project` belongs to `workflow`
    f.yaml:5:63: tasks.b.dependent.timezone: no time zone named `Europe/Berln`; did you mean `Europe/Berlin`?
    f.yaml:6:28: tasks.c.dependent.needs: expected a need, found a list; write `{ workflow: NAME, period: last_day }`, or `all` or `any` of such
    f.yaml:7:51: tasks.d.dependent.needs.any[0].any: a need is one of these, this one is `workflow` already
    f.yaml:7:77: tasks.d.dependent.needs.any[1]: `period` is missing; write `period: last_day`, `today` or another one
    f.yaml:8:52: tasks.e.dependent.needs.all_tasks: it is one task, or all of them
    f.yaml:8:88: tasks.e.retries: a task of this kind has no job, and so no `retries`
    f.yaml:8:100: tasks.e.env: a task of this kind has no job, and so no `env`
    f.yaml:9:19: tasks.f.dependent: `needs` is missing
    f.yaml:10:30: tasks.g.dependent.needs.workflw: no field named `workflw`; did you mean `workflow`?
    ");
}

#[test]
fn what_is_the_same_twice_is_a_fault() {
    let twice = tasks(
        "
  a: { noop: , noop: }
  é: { noop: , outputs: [x, x] }
  a: { noop: , retry: { limit: 1 }, retries: 2 }
  e\u{301}: { noop: }
",
    );
    insta::assert_snapshot!(twice.replace("e\u{301}", "(e\u{301})").replace('\u{301}', "+"), @r#"
    f.yaml:4:16: tasks.a.noop: `noop` is there twice, first in line 4
    f.yaml:5:29: tasks.é.outputs[1]: `x` is there twice
    f.yaml:6:3: tasks.a: `a` is there twice, first in line 4
    f.yaml:6:37: tasks.a.retries: `retries` and `retry` say the same; write `retry: { limit, delay }` only
    f.yaml:7:3: tasks."(e+)": `(e+)` is there twice, first in line 5
    "#);
    insta::assert_snapshot!(faults("workflow: w\ntasks: { a: { noop: } }\n---\nworkflow: w\ntasks: { a: { noop: } }\n"), @"f.yaml:4:1: workflow `w` is there twice");
}

#[test]
fn cycles_are_printed_as_paths() {
    insta::assert_snapshot!(tasks("
  start: { noop: }
  a: { noop: , after: [start, c] }
  b: { noop: , after: [a] }
  c: { noop: , after: [b] }
  x: { noop: , after: [y] }
  y: { noop: , after: [x, c] }
"), @r#"
    f.yaml:5:23: tasks.a.after: tasks wait for each other: a -> b -> c -> a
    f.yaml:8:23: tasks.x.after: tasks wait for each other: x -> y -> x
    "#);
}

#[test]
fn references_have_to_be_known_and_upstream() {
    insta::assert_snapshot!(faults("
workflow: w
parameters: { day: 1, late: '${a.rows}', odd: 'x ${dya}' }
defaults: { env: { D: '${day} ${a.rows}' } }
tasks:
  a: { noop: , outputs: [rows], parameters: { own: 1 } }
  a.b: { noop: , outputs: [rows], after: [a] }
  c:
    after: [a.b]
    env: { ok: '${a.rows} ${a.b.rows} ${day} ${logical_date}', bad: '${a.row} ${own} ${c.x}' }
    command: [echo, '${later.rows}', '${secret:DB}']
  later: { noop: , outputs: [rows] }
"), @r#"
    f.yaml:3:30: parameters.late: the output of a task is not known here; use it in a task that follows
    f.yaml:3:50: parameters.odd: no parameter named `dya`; did you mean `day`?
    f.yaml:4:31: defaults.env.D: the output of a task is not known here; use it in a task that follows
    f.yaml:10:70: tasks.c.env.bad: task `a` declares no output `row`; did you mean `rows`?
    f.yaml:10:79: tasks.c.env.bad: no parameter named `own`
    f.yaml:10:86: tasks.c.env.bad: task `c` declares no output `x`; add `x` to the `outputs` of `c`
    f.yaml:11:22: tasks.c.command[1]: task `later` is not upstream of this one; add `later` to `after`
    "#);
}

#[test]
fn in_scripts_only_what_is_nearly_known_is_noted() {
    insta::assert_snapshot!(faults("
workflow: w
parameters: { region: eu }
tasks:
  a: { shell: 'echo ${HOME} ${region} ${regoin}', outputs: [rows] }
  b:
    shell: |
      rwos=1
      echo ${a.rowz} ${rwos}
        echo ${a.rows}
"), @r#"
    note f.yaml:5:39: tasks.a.shell: `regoin` is left to the script: no parameter has that name; did you mean `region`?
    note f.yaml:9:12: tasks.b.shell: task `a` declares no output `rowz`; did you mean `rows`?
    note f.yaml:10:14: tasks.b.shell: task `a` is not upstream of this one; add `a` to `after`
    "#);
}

#[test]
fn a_workflow_of_another_dialect_keeps_what_is_unknown() {
    insta::assert_snapshot!(faults("
workflow: w
dialect: dolphinscheduler/3.1
parameters: { a: { type: integer, value: abc }, b: '${unknown}' }
tasks: { t: { noop: } }
"), @"note f.yaml:4:53: parameters.b: no parameter named `unknown`");
    insta::assert_snapshot!(faults("
workflow: w
dialect: dolphin/3.1
parameters: { a: { type: integer, value: abc }, l: [1], n: ~ }
tasks: { t: { noop: } }
"), @r#"
    f.yaml:3:10: dialect: no dialect named `dolphin/3.1`; one of: porpoise/1, dolphinscheduler/1.3, dolphinscheduler/2.0, dolphinscheduler/3.0, dolphinscheduler/3.1, dolphinscheduler/3.2, dolphinscheduler/3.3
    f.yaml:4:42: parameters.a.value: `abc` is no integer
    f.yaml:4:52: parameters.l: expected a text, a number or `{ type, value }`, found a list; a list is a text in JSON: `{ type: list, value: '[1, 2]' }`
    f.yaml:4:60: parameters.n: expected a text, found nothing; write `""` for an empty text
    "#);
}

#[test]
fn what_is_no_yaml_ends_with_one_fault() {
    for text in [
        "",
        "workflow: w\n\ttasks: {}\n",
        "workflow: [w\n",
        "workflow: !!int 5\n",
        "a: &a [*a]\n",
        "a: b\u{1b}[31m\n",
        "- a\n",
        "---\n~\n",
        "<<: {}\n",
        "? [a]\n: b\n",
    ] {
        let faults = faults(text);
        assert!(faults.starts_with("f.yaml:"), "{text:?}: {faults}");
    }
    insta::assert_snapshot!(faults("workflow: w\n\ttasks: {}\n"), @"f.yaml:1:11: this is not YAML: while scanning a plain scalar, found a tab; indent with spaces, not with tabs");
    insta::assert_snapshot!(faults("a: b\u{1b}[31m\n"), @"f.yaml:1:5: control character U+001B; write it as an escape in a double-quoted text");
    insta::assert_snapshot!(faults("{\"workflow\": \"w\",\n\t\"tasks\": nil}"), @"f.yaml:2:11: tasks: expected a map, found a text");
    let bytes = porpoise_definition::read("f.yaml", b"workflow: \xff").unwrap_err();
    assert_eq!(bytes.to_string(), "f.yaml:1:11: the file is not UTF-8");
}

#[test]
fn names_of_any_script_and_with_slashes_are_names() {
    assert_eq!(
        tasks("  依赖节点: { noop: }\n  ../../etc/passwd: { noop: , after: [依赖节点] }\n"),
        ""
    );
}

#[test]
fn parameters_and_dates_are_tried() {
    insta::assert_snapshot!(faults("
workflow: w
parameters:
  a: 'x ${b}'
  b: '${c}'
  c: '${a}'
  self: '${self}'
  day: '$[yyyy-MM-dd-1] $[yyyyMMdd-${n}]'
  bad: 'on $[nonsense(]'
  n: 1
tasks: { t: { noop: , env: { d: '$[yyyy-MM-dd] ${day}' } } }
"), @r#"
    f.yaml:4:7: parameters.a: parameters refer to each other: `a -> b -> c -> a`
    f.yaml:7:10: parameters.self: parameters refer to each other: `self -> self`
    f.yaml:9:12: parameters.bad: `$[nonsense(]`: `o` is no date letter; put text into single quotes, at byte 1
    "#);
}

#[test]
fn what_is_wrong_with_kinds_that_a_target_runs_is_said_at_its_place() {
    insta::assert_snapshot!(tasks("
  spark: { spark: { entry_point: '', arguments: [a, [b], '${nothing}'], submt: x, request: { jobDriver: {}, tags: { a: '${none}' } } } }
  none: { spark: {} }
  text: { spark: s3://code/x.py }
  hive: { hive: { init: s3://a, request: [1] } }
  empty: { hive: ' ' }
  sql: { sql: { statement: select 1, arguments: x, request: { queryString: x } } }
  secret: { sql: { statement: 'select ${secret:A}', arguments: ['${secret:B}'] }, env: { X: '${secret:C}' } }
  call: { function: { input: { a: ['${secret:D}', '${no}'] } } }
  machine: { state_machine: { name: x, inputs: {} } }
  list: { function: [a] }
  unknown: { spark: { entry_point: a, arguments: ['${nothing}'], request: { a: ['${none}'] } } }
"), @"
    f.yaml:4:34: tasks.spark.spark.entry_point: this is empty
    f.yaml:4:53: tasks.spark.spark.arguments[1]: expected a text, found a list
    f.yaml:4:73: tasks.spark.spark.submt: no field named `submt`; did you mean `submit`?
    f.yaml:4:105: tasks.spark.spark.request.jobDriver: `jobDriver` is what the task itself says
    f.yaml:5:18: tasks.none.spark: `entry_point` is missing
    f.yaml:6:18: tasks.text.spark: expected a map, found a text; write `{ entry_point: s3://code/x.py }`
    f.yaml:7:17: tasks.hive.hive: `query` is missing
    f.yaml:7:42: tasks.hive.hive.request: expected a map, found a list
    f.yaml:8:18: tasks.empty.hive: there is nothing to run
    f.yaml:9:49: tasks.sql.sql.arguments: expected a list, found a text; write `[first, second]`
    f.yaml:9:76: tasks.sql.sql.request.queryString: `queryString` is what the task itself says
    f.yaml:10:31: tasks.secret.sql.statement: the secret `A` cannot reach a job on this kind of target; let the job itself read it from Secrets Manager, with its own role
    f.yaml:10:65: tasks.secret.sql.arguments[0]: the secret `B` cannot reach a job on this kind of target; let the job itself read it from Secrets Manager, with its own role
    f.yaml:10:93: tasks.secret.env.X: the secret `C` cannot reach a job on this kind of target; let the job itself read it from Secrets Manager, with its own role
    f.yaml:11:21: tasks.call.function: `name` is missing
    f.yaml:11:36: tasks.call.function.input.a[0]: the secret `D` cannot reach a job on this kind of target; let the job itself read it from Secrets Manager, with its own role
    f.yaml:12:40: tasks.machine.state_machine.inputs: no field named `inputs`; did you mean `input`?
    f.yaml:13:21: tasks.list.function: expected a map, found a list
    f.yaml:14:52: tasks.unknown.spark.arguments[0]: no parameter named `nothing`
    f.yaml:14:82: tasks.unknown.spark.request.a[0]: no parameter named `none`
    ");
}

#[test]
fn tasks_that_pick_name_their_neighbours() {
    insta::assert_snapshot!(tasks("
  count: { shell: echo, outputs: [rows] }
  choose:
    after: [count]
    retries: 1
    switch:
      cases:
        - { when: '${count.rows} = 1', then: [big] }
        - { when: '${count.lines} > 1 && ${secret:X}', then: [big, huge] }
        - { then: small }
      otherwise: [beside]
  check:
    after: [big]
    pool: p
    trigger: always
    conditions:
      when: { all: [{ task: big, is: good }, { any: [{ task: count }, { task: big, all: [] }, {}, big] }] }
      then: [smal]
  nothing: { switch: { cases: [] } }
  big: { after: [choose], noop: }
  small: { after: [choose], noop: }
  beside: { noop: }
"), @"
    f.yaml:7:5: tasks.choose.retries: a task of this kind has no job, and so no `retries`
    f.yaml:10:34: tasks.choose.switch.cases[0].when: no condition: `=` compares nothing: write `==`
    f.yaml:11:20: tasks.choose.switch.cases[1].when: task `count` declares no output `lines`; add `lines` to the `outputs` of `count`
    f.yaml:11:42: tasks.choose.switch.cases[1].when: a condition cannot look at the secret `X`
    f.yaml:11:68: tasks.choose.switch.cases[1].then[1]: no task named `huge`
    f.yaml:12:11: tasks.choose.switch.cases[2]: `when` is missing
    f.yaml:12:19: tasks.choose.switch.cases[2].then: expected a list, found a text; write `[small]`
    f.yaml:13:19: tasks.choose.switch.otherwise[0]: task `beside` does not follow this one; add `choose` to the `after` of `beside`
    f.yaml:16:5: tasks.check.pool: a task of this kind has no job, and so no `pool`
    f.yaml:17:14: tasks.check.trigger: `conditions` look at tasks above, which may not have ended by then; leave `trigger` out, or write `all_done`
    f.yaml:19:38: tasks.check.conditions.when.all[0].is: `good` is not known; one of: succeeded, failed, skipped
    f.yaml:19:62: tasks.check.conditions.when.all[1].any[0].task: this task does not follow `count`; add `count` to the `after` of `check`
    f.yaml:19:84: tasks.check.conditions.when.all[1].any[1].all: a test is one of these, this one is `task` already
    f.yaml:19:95: tasks.check.conditions.when.all[1].any[2]: this tests nothing; write `{ task: NAME, is: succeeded }`, or `all` or `any` of such
    f.yaml:19:99: tasks.check.conditions.when.all[1].any[3]: expected a test, found a text; write `{ task: NAME, is: succeeded }`, or `all` or `any` of such
    f.yaml:20:14: tasks.check.conditions.then[0]: no task named `smal`; did you mean `small`?
    f.yaml:21:31: tasks.nothing.switch.cases: there is no case
    ");
}

#[test]
fn workflows_as_tasks_say_what_they_cannot_have() {
    insta::assert_snapshot!(faults("
workflow: night
parameters: { key: '${secret:key}' }
outputs: { rows: '${load.row}', day: '${dya}', key: '${secret:key}' }
tasks:
  load: { workflow: orders, outputs: [rows], env: { A: b }, target: here }
  again: { workflow: night }
  list: { workflow: [a] }
  secret: { workflow: orders, parameters: { password: '${secret:password}' } }
"), @r#"
    f.yaml:4:19: outputs.rows: task `load` declares no output `row`; did you mean `rows`?
    f.yaml:4:39: outputs.day: no parameter named `dya`
    f.yaml:4:53: outputs.key: the secret `key` cannot be handed to another run; let the task that needs it name it itself
    f.yaml:6:46: tasks.load.env: a task that is a workflow has no process, and so no `env`; say it in that workflow; `parameters` are handed to it
    f.yaml:6:61: tasks.load.target: a task that is a workflow has no process, and so no `target`; say it in that workflow; `parameters` are handed to it
    f.yaml:7:22: tasks.again.workflow: workflow `night` would run itself without end
    f.yaml:8:21: tasks.list.workflow: expected a name, found a list
    f.yaml:9:55: tasks.secret.parameters.password: the secret `password` cannot be handed to another run; let the task that needs it name it itself
    "#);
}

#[test]
fn files_are_for_scripts_and_stay_in_their_folder() {
    insta::assert_snapshot!(tasks("
  a:
    shell: sh run.sh
    files:
      run.sh: /srv/run.sh
      ../up: /srv/a
      /etc/passwd: /srv/b
      a/./b: /srv/c
      folder/: /srv/d
      run.sh/a: /srv/d
      near: srv/e
      far: s3://code/f
      secret: /srv/${secret:x}
      day: /srv/${dya}
  b: { noop: , files: { x: /x } }
  c: { approval: ok?, files: { x: /x } }
"), @r#"
    f.yaml:7:7: tasks.a.files: `run.sh` cannot be a file and the folder of `run.sh/a`
    f.yaml:8:14: tasks.a.files."../up": `../up` does not name a file in the folder of the task; write a relative path without `..`: `scripts/load.sh`
    f.yaml:9:20: tasks.a.files."/etc/passwd": `/etc/passwd` does not name a file in the folder of the task; write a relative path without `..`: `scripts/load.sh`
    f.yaml:10:14: tasks.a.files."a/./b": `a/./b` does not name a file in the folder of the task; write a relative path without `..`: `scripts/load.sh`
    f.yaml:11:16: tasks.a.files."folder/": `folder/` does not name a file in the folder of the task; write a relative path without `..`: `scripts/load.sh`
    f.yaml:13:13: tasks.a.files.near: `srv/e` is no absolute path; name the file as the machine that runs the task knows it: `/srv/scripts/load.sh`
    f.yaml:14:12: tasks.a.files.far: `s3://code/f` is no absolute path; name the file as the machine that runs the task knows it: `/srv/scripts/load.sh`
    f.yaml:15:15: tasks.a.files.secret: the secret `x` is no part of a path
    f.yaml:16:17: tasks.a.files.day: no parameter named `dya`
    f.yaml:17:23: tasks.b.files: only `shell`, `python` and `command` have a folder, and so `files`
    f.yaml:18:23: tasks.c.files: a task of this kind has no job, and so no `files`
    "#);
}
