//! What a DolphinScheduler answers: projects, workflows, schedules and lists, in the words of a version.

use porpoise_canned::{Answer, Canned, Request};
use serde_json::{Value, json};

/// The token that it knows.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Versions whose answers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    V3_1,
    V3_2,
    V3_3,
}

/// A server in the making.
#[derive(Debug)]
pub struct Ds {
    generation: Generation,
    /// Code, name, workflows.
    projects: Vec<(i64, String, Vec<Value>)>,
    schedules: Vec<Value>,
    /// With the codes of their projects.
    parameters: Vec<Value>,
    lists: Vec<(&'static str, Value)>,
}

impl Ds {
    /// 250 workflows in one project, three in another.
    pub fn new(generation: Generation) -> Self {
        let of = |project: i64, count: i64| {
            (1..=count)
                .map(|number| workflow(generation, project, number))
                .collect()
        };
        let schedules =
            (1..=250).map(|number| schedule(generation, code(1, number), number % 2 == 1));
        Self {
            generation,
            projects: vec![
                (1, "市场 A/B".to_owned(), of(1, 250)),
                (2, "ops".to_owned(), of(2, 3)),
            ],
            schedules: schedules.collect(),
            parameters: parameters(generation),
            lists: lists(generation),
        }
    }

    /// With one more workflow in the project `ops`: a script in `${name}`s of the project.
    pub fn with_script(mut self, script: &str) -> Self {
        let mut workflow = workflow(self.generation, 2, 4);
        let tasks = workflow["taskDefinitionList"].as_array_mut().unwrap();
        tasks.truncate(1);
        tasks[0]["taskParams"]["rawScript"] = json!(script);
        tasks[0]["taskGroupId"] = json!(0);
        tasks[0]["environmentCode"] = json!(-1);
        let key = match self.generation {
            Generation::V3_1 | Generation::V3_2 => "processTaskRelationList",
            Generation::V3_3 => "workflowTaskRelationList",
        };
        workflow[key].as_array_mut().unwrap().truncate(1);
        self.projects[1].2.push(workflow);
        self
    }

    /// With the type and the value of a parameter changed, or a parameter more.
    pub fn with_parameter(mut self, project: i64, name: &str, value: &str) -> Self {
        self.parameters.retain(|each| {
            (&each["projectCode"], &each["paramName"]) != (&json!(project), &json!(name))
        });
        self.parameters
            .push(parameter(project, name, "VARCHAR", value));
        self
    }

    /// With the workflows that somebody recorded.
    pub fn recorded(
        generation: Generation,
        workflows: &[Value],
        lists: &[(&'static str, Value)],
    ) -> Self {
        let project = workflows[0]["processDefinition"]["projectCode"]
            .as_i64()
            .unwrap();
        let mut server = Self {
            generation,
            projects: vec![(project, "recorded".to_owned(), workflows.to_vec())],
            schedules: Vec::new(),
            parameters: Vec::new(),
            lists: self::lists(generation),
        };
        for (path, list) in lists {
            let path = if *path == "data-sources" {
                "datasources"
            } else {
                "resources/list"
            };
            server.lists.retain(|(known, _)| *known != path);
            server.lists.push((path, list.clone()));
        }
        server
    }

    pub fn start(self) -> Canned {
        self.start_with(|_, answer| answer)
    }

    /// `change` may put another answer in the place of one.
    pub fn start_with(
        self,
        mut change: impl FnMut(&str, Answer) -> Answer + Send + 'static,
    ) -> Canned {
        Canned::start(move |request| {
            let answer = self.answer(request);
            change(&request.path, answer)
        })
        .unwrap()
    }

    fn answer(&self, request: &Request) -> Answer {
        if request.headers.get("token").map(String::as_str) != Some(TOKEN) {
            return Answer::json(401, "");
        }
        let Some(path) = request.path.strip_prefix("/dolphinscheduler/") else {
            return Answer::json(404, "");
        };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let words: Vec<_> = path.split('/').collect();
        let definitions = match self.generation {
            Generation::V3_1 | Generation::V3_2 => "process-definition",
            Generation::V3_3 => "workflow-definition",
        };
        match &*words {
            ["projects"] => {
                let projects = self.projects.iter().map(|(code, name, workflows)| {
                    json!({"id": code, "userId": 1, "code": code, "name": name, "description": null, "createTime": "2024-06-14 18:10:11", "updateTime": "2024-06-14 18:10:11", "perm": 7, "userName": "admin", "defCount": workflows.len(), "instRunningCount": 0})
                });
                page(&projects.collect::<Vec<_>>(), query)
            }
            ["projects", project, kind] if *kind == definitions => {
                let definitions: Vec<_> = self
                    .workflows(project)
                    .iter()
                    .map(|each| definition(each).clone())
                    .collect();
                page(&definitions, query)
            }
            ["projects", project, kind, code] if *kind == definitions => {
                let found = self
                    .workflows(project)
                    .iter()
                    .find(|each| definition(each)["code"].as_i64() == code.parse().ok());
                match found {
                    Some(workflow) => said(workflow),
                    None => Answer::json(
                        200,
                        r#"{"code":50003,"msg":"workflow definition does not exist","data":null}"#,
                    ),
                }
            }
            ["projects", project, "project-parameter"] if self.generation != Generation::V3_1 => {
                let of = self.parameters.iter();
                let of = of.filter(|each| each["projectCode"].as_i64() == project.parse().ok());
                page(&of.cloned().collect::<Vec<_>>(), query)
            }
            ["projects", project, "schedules"] => {
                let codes: Vec<_> = self
                    .workflows(project)
                    .iter()
                    .map(|each| definition(each)["code"].clone())
                    .collect();
                let of = |schedule: &&Value| {
                    codes.contains(&schedule["processDefinitionCode"])
                        || codes.contains(&schedule["workflowDefinitionCode"])
                };
                page(
                    &self
                        .schedules
                        .iter()
                        .filter(of)
                        .cloned()
                        .collect::<Vec<_>>(),
                    query,
                )
            }
            _ => match self.lists.iter().find(|(known, _)| *known == path) {
                Some((_, Value::Array(items))) if query.contains("pageNo") => page(items, query),
                Some((_, list)) => said(list),
                None if path == "tenants/list" => Answer::json(
                    200,
                    r#"{"code":30001,"msg":"user has no operation privilege","data":null}"#,
                ),
                None => Answer::json(404, r#"{"timestamp":1,"status":404,"error":"Not Found"}"#),
            },
        }
    }

    fn workflows(&self, project: &str) -> &[Value] {
        let found = self
            .projects
            .iter()
            .find(|(code, ..)| code.to_string() == project);
        found.map_or(&[], |(_, _, workflows)| workflows)
    }
}

fn definition(workflow: &Value) -> &Value {
    workflow
        .get("processDefinition")
        .unwrap_or_else(|| &workflow["workflowDefinition"])
}

fn said(data: &Value) -> Answer {
    Answer::json(
        200,
        json!({"code": 0, "msg": "success", "data": data, "failed": false, "success": true})
            .to_string(),
    )
}

fn page(items: &[Value], query: &str) -> Answer {
    let number = |name: &str| -> usize {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(key, _)| *key == name)
            .unwrap()
            .1
            .parse()
            .unwrap()
    };
    let (at, size) = (number("pageNo"), number("pageSize"));
    let shown: Vec<_> = items.iter().skip((at - 1) * size).take(size).collect();
    let pages = items.len().div_ceil(size);
    said(
        &json!({"totalList": shown, "total": items.len(), "totalPage": pages, "pageSize": size, "currentPage": at, "pageNo": null}),
    )
}

fn code(project: i64, number: i64) -> i64 {
    project * 1_000_000 + number
}

fn workflow(generation: Generation, project: i64, number: i64) -> Value {
    let code = code(project, number);
    let name = if project == 1 {
        format!("每日 订单 {number}")
    } else {
        format!("ops {number}")
    };
    let mut definition = json!({
        "id": number, "code": code, "name": name, "version": 3, "releaseState": "ONLINE", "projectCode": project,
        "description": "", "globalParams": "[]", "globalParamList": [], "globalParamMap": {},
        "createTime": "2024-12-05 08:42:35", "updateTime": "2024-12-05 08:42:35", "flag": "YES", "userId": 1, "userName": null,
        "projectName": null, "locations": "[]", "scheduleReleaseState": null, "timeout": 0, "modifyBy": null, "warningGroupId": 0,
        "executionType": "PARALLEL"
    });
    let mut task = json!({
        "id": 1, "code": code * 10 + 1, "name": "pull", "version": 1, "description": "", "projectCode": project, "userId": 1,
        "taskType": "SHELL", "taskParams": {"localParams": [], "rawScript": "echo 拉取\n", "resourceList": []}, "taskParamList": [],
        "taskParamMap": null, "flag": "YES", "taskPriority": "MEDIUM", "userName": null, "projectName": null, "workerGroup": "etl",
        "environmentCode": 8831, "failRetryTimes": 0, "failRetryInterval": 1, "timeoutFlag": "CLOSE", "timeoutNotifyStrategy": null,
        "timeout": 0, "delayTime": 0, "resourceIds": null, "createTime": "2024-12-05 08:42:35", "updateTime": "2024-12-05 08:42:35",
        "modifyBy": null, "taskGroupId": 3, "taskGroupPriority": 0, "cpuQuota": -1, "memoryMax": -1, "taskExecuteType": "BATCH",
        "operator": 1, "operateTime": "2024-12-05 08:42:35"
    });
    let mut sql = task.clone();
    sql["code"] = json!(code * 10 + 2);
    sql["name"] = json!("查询");
    sql["taskType"] = json!("PROCEDURE");
    sql["taskParams"] = json!({"type": "MYSQL", "datasource": 7, "method": "call p()", "localParams": [], "resourceList": []});
    if generation == Generation::V3_1 {
        definition["tenantId"] = json!(-1);
        definition["tenantCode"] = Value::Null;
    } else {
        for task in [&mut task, &mut sql] {
            task["isCache"] = json!("NO");
        }
    }
    let relation = |from: i64, to: i64| {
        json!({
            "id": 11, "name": "", "processDefinitionVersion": 3, "projectCode": project, "processDefinitionCode": code, "preTaskCode": from,
            "preTaskVersion": 0, "postTaskCode": to, "postTaskVersion": 1, "conditionType": "NONE", "conditionParams": {},
            "createTime": "2024-12-05 08:42:35", "updateTime": "2024-12-05 08:42:35", "operator": 1, "operateTime": "2024-12-05 08:42:35"
        })
    };
    let relations = json!([
        relation(0, code * 10 + 1),
        relation(code * 10 + 1, code * 10 + 2)
    ]);
    match generation {
        Generation::V3_1 | Generation::V3_2 => {
            json!({"processDefinition": definition, "processTaskRelationList": relations, "taskDefinitionList": [task, sql]})
        }
        Generation::V3_3 => {
            json!({"workflowDefinition": definition, "workflowTaskRelationList": relations, "taskDefinitionList": [task, sql]})
        }
    }
}

fn schedule(generation: Generation, code: i64, online: bool) -> Value {
    let mut schedule = json!({
        "id": code, "projectName": "市场 A/B", "definitionDescription": "",
        "startTime": "2026-01-01 00:00:00", "endTime": "2126-01-01 00:00:00", "timezoneId": "Asia/Shanghai",
        "crontab": "0 30 1 * * ? *", "failureStrategy": "CONTINUE", "warningType": "NONE", "createTime": "2026-01-01 00:00:00",
        "updateTime": "2026-01-01 00:00:00", "userId": 1, "userName": "admin", "releaseState": if online { "ONLINE" } else { "OFFLINE" },
        "warningGroupId": 0, "workerGroup": "default", "environmentCode": -1
    });
    match generation {
        Generation::V3_1 | Generation::V3_2 => {
            schedule["processDefinitionCode"] = json!(code);
            schedule["processDefinitionName"] = json!("x");
            schedule["processInstancePriority"] = json!("MEDIUM");
        }
        Generation::V3_3 => {
            schedule["workflowDefinitionCode"] = json!(code);
            schedule["workflowDefinitionName"] = json!("x");
            schedule["workflowInstancePriority"] = json!("MEDIUM");
        }
    }
    if generation != Generation::V3_1 {
        schedule["tenantCode"] = json!("default");
        schedule["environmentName"] = Value::Null;
    }
    schedule
}

/// 230 in one project, some in another.
fn parameters(generation: Generation) -> Vec<Value> {
    let many = (1..=230).map(|number| parameter(1, &format!("参数{number}"), "VARCHAR", "值"));
    let some = [
        ("region", "VARCHAR", "eu"),
        ("folder", "VARCHAR", "/data/${region}"),
        ("batch", "INTEGER", "500"),
        ("api_token", "VARCHAR", "sesame77"),
    ];
    let some = some.map(|(name, kind, value)| parameter(2, name, kind, value));
    let mut all: Vec<Value> = many.chain(some).collect();
    if generation == Generation::V3_2 {
        // 3.2.0 has no types
        for each in &mut all {
            each.as_object_mut().unwrap().remove("paramDataType");
        }
    }
    all
}

fn parameter(project: i64, name: &str, kind: &str, value: &str) -> Value {
    json!({
        "id": 5, "userId": 1, "operator": 1, "code": 14_371_285_440_001_i64, "projectCode": project, "paramName": name, "paramValue": value,
        "paramDataType": kind, "createTime": "2024-12-05 08:42:35", "updateTime": "2024-12-05 08:42:35", "createUser": "admin",
        "modifyUser": null
    })
}

fn lists(generation: Generation) -> Vec<(&'static str, Value)> {
    let mut lists = vec![
        (
            "datasources",
            json!([{"id": 7, "userId": 1, "userName": "admin", "name": "dwh", "note": "", "type": "MYSQL",
            "connectionParams": "{\"user\":\"admin\",\"password\":\"hunter22\",\"address\":\"jdbc:mysql://db:3306\",\"database\":\"dw\",\"jdbcUrl\":\"jdbc:mysql://db:3306/dw?password=hunter22\"}",
            "createTime": "2024-07-05 16:53:57", "updateTime": "2024-07-08 15:50:27"}]),
        ),
        (
            "resources/list",
            json!([{"id": 1, "pid": -1, "name": "a.py", "currentDir": null, "fullName": "/a.py", "children": [], "type": "FILE", "idValue": "1_0", "dirctory": false}]),
        ),
        (
            "task-group/list-paging",
            json!([{"id": 3, "name": "nightly limit", "description": "", "groupSize": 4, "useSize": 0, "userId": 1, "status": 1, "createTime": "2024-12-05 08:42:35", "updateTime": "2024-12-05 08:42:35", "projectCode": 1}]),
        ),
        (
            "environment/query-environment-list",
            json!([{"id": 1, "code": 8831, "name": "spark3", "config": "export SPARK_HOME=/opt/spark\nexport PATH=$SPARK_HOME/bin:$PATH", "description": "", "workerGroups": [], "operator": 1, "createTime": "2024-12-05 08:42:35", "updateTime": "2024-12-05 08:42:35"}]),
        ),
        ("alert-groups/list", json!([])),
        (
            "queues/list",
            json!([{"id": 1, "queueName": "default", "queue": "default", "createTime": null, "updateTime": null}]),
        ),
        (
            "worker-groups",
            json!([{"id": 1, "name": "etl", "addrList": "10.0.0.1:1234", "createTime": null, "updateTime": null, "description": "", "systemDefault": false}]),
        ),
    ];
    if generation != Generation::V3_3 {
        lists.push(("resources/udf-func", json!([])));
    }
    lists
}
