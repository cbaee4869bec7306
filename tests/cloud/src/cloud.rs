//! The box, put together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use porpoise_region::{DynamoDbLocal, Manner, Ministack};
use serde_json::Value;

use crate::aws::Caller;
use crate::deploy::{Deployer, HOME, Outputs, PLACE, Plan};
use crate::door::{Door, Gateway};
use crate::http::Passer;
use crate::jobs::{self, Jobs};
use crate::judged::Judge;
use crate::rights::Rights;
use crate::stock;
use crate::tap::{Routes, Tap};
use crate::template;

/// How a box is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The name of the deployment.
    pub name: String,
    /// Its account.
    pub account: String,
    /// An account where targets can lie too.
    pub other_account: String,
    /// Where the control plane is.
    pub home: String,
    /// Where jobs and data are.
    pub regions: Vec<String>,
    /// Roles count.
    pub auth: bool,
    /// After so many seconds queues give a message again that nobody said is done with, instead of after minutes.
    pub impatience: Option<u32>,
    /// The sweep, and the look after poll loops, come each minute.
    pub hasty: bool,
    /// How EMR Serverless and Athena are to be.
    pub jobs: jobs::Options,
    /// The port of the API; 0 is any that is free.
    pub port: u16,
    /// The folder with NAME/bootstrap.zip for each function.
    pub functions: PathBuf,
    /// The folder with the templates of the stacks.
    pub templates: PathBuf,
}

impl Options {
    /// A home and two data places in one account, with what `cargo xtask` has built and synthesised.
    pub fn new(functions: PathBuf, templates: PathBuf) -> Self {
        Self {
            name: "porpoise".to_owned(),
            account: "111122223333".to_owned(),
            other_account: "444455556666".to_owned(),
            home: "eu-central-1".to_owned(),
            regions: vec!["eu-central-1".to_owned(), "eu-west-1".to_owned()],
            auth: true,
            impatience: None,
            hasty: false,
            jobs: jobs::Options::default(),
            port: 0,
            functions,
            templates,
        }
    }
}

/// A deployment on loopback. It is gone when this is dropped.
#[derive(Debug)]
pub struct Cloud {
    options: Options,
    door: Door,
    tap: Tap,
    jobs: Jobs,
    deployer: Deployer,
    plan: Plan,
    api_host: String,
    ministack: Ministack,
    dynamodb: DynamoDbLocal,
}

impl Cloud {
    /// Starts the components, deploys, and opens the door. Takes some ten seconds.
    ///
    /// # Errors
    /// Something is not installed, built or synthesised; the error says what to do.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let plan = Plan {
            home: options.home.clone(),
            regions: options.regions.clone(),
            templates: templates(&options)?,
            functions: options.functions.clone(),
        };
        let tap = Tap::open().await?;
        let manner = Manner {
            auth: options.auth,
            functions_ask: Some(tap.url()),
        };
        let (ministack, dynamodb) = components(manner).await?;
        let jobs = Jobs::start(options.jobs.clone(), ministack.endpoint())?;
        tap.connect(Routes {
            ministack: ministack.endpoint().to_owned(),
            dynamodb: Some(dynamodb.endpoint().to_owned()),
            auth: options.auth,
            judge: Judge {
                rights: Arc::new(Rights::new(ministack.endpoint(), jobs.shared())),
                fake: jobs.fake().endpoint(),
                auth: options.auth,
            },
        })?;
        let deployer = Deployer {
            caller: Caller::new(ministack.endpoint()),
            account: options.account.clone(),
            name: options.name.clone(),
        };
        tables(&options, &dynamodb)?;
        let outputs = tokio::task::block_in_place(|| {
            stock::make(&options, &deployer.caller, &jobs)?;
            deployer.deploy(&plan)
        })?;
        let api_host = api_host(&outputs, ministack.endpoint())?;
        let gateway = Gateway {
            host: api_host.clone(),
            ministack: ministack.endpoint().to_owned(),
            region: options.home.clone(),
            account: options.account.clone(),
            passer: Passer::default(),
        };
        Ok(Self {
            door: Door::open(options.port, gateway).await?,
            options,
            tap,
            jobs,
            deployer,
            plan,
            api_host,
            ministack,
            dynamodb,
        })
    }

    /// How it was made.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The address of the API, without a slash at the end. Any token opens it.
    pub fn url(&self) -> String {
        self.door.url()
    }

    /// The host at which ministack has the API, for requests that are signed for it.
    pub fn api_host(&self) -> &str {
        &self.api_host
    }

    /// The calls that functions make.
    pub fn tap(&self) -> &Tap {
        &self.tap
    }

    /// EMR Serverless and Athena.
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Where ministack answers.
    pub fn ministack(&self) -> &str {
        self.ministack.endpoint()
    }

    /// Where the table is.
    pub fn dynamodb(&self) -> &str {
        self.dynamodb.endpoint()
    }

    /// The poll loops that go on, by the region and the name of their execution.
    ///
    /// # Errors
    /// Ministack does not answer.
    pub fn loops(&self) -> anyhow::Result<Vec<String>> {
        let of = |region: &String| self.deployer.loops(region);
        tokio::task::block_in_place(|| {
            self.plan
                .regions
                .iter()
                .map(of)
                .collect::<Result<Vec<_>, _>>()
        })
        .map(|loops| loops.concat())
    }

    /// From now on the poll loops wait a tenth of what they are told.
    ///
    /// # Errors
    /// Ministack does not take it.
    pub fn hurry(&self) -> anyhow::Result<()> {
        let setting = "stepfunctions._SFN_WAIT_SCALE";
        let url = format!("{}/_ministack/config", self.ministack());
        let asked = self.deployer.caller.agent.post(url);
        let applied = asked.send(format!(r#"{{"{setting}": 0.1}}"#))?;
        let applied = applied.into_body().read_to_string()?;
        anyhow::ensure!(applied.contains(setting), "ministack answers {applied}");
        Ok(())
    }

    /// What a function in a region has written to its log.
    ///
    /// # Errors
    /// It has written nothing yet.
    pub fn log(&self, region: &str, function: &str) -> anyhow::Result<Vec<String>> {
        tokio::task::block_in_place(|| self.deployer.log(region, function))
    }

    /// Makes a bucket of an account, in a region.
    ///
    /// # Errors
    /// Ministack does not make it.
    pub fn make_bucket(&self, at: (&str, &str), bucket: &str) -> anyhow::Result<()> {
        tokio::task::block_in_place(|| self.deployer.make_bucket(at, bucket))
    }

    /// Puts an object into a bucket of an account, in a region, as whoever owns that.
    ///
    /// # Errors
    /// Ministack does not take it.
    pub fn put_object(
        &self,
        at: (&str, &str),
        (bucket, key): (&str, &str),
        bytes: &[u8],
    ) -> anyhow::Result<()> {
        let path = format!("/{bucket}/{key}");
        tokio::task::block_in_place(|| self.deployer.put_object(at, &path, bytes))
    }

    /// A place as the product prints it.
    pub fn place(&self, region: &str) -> String {
        self.deployer.place(region)
    }

    /// The actions that each function is granted, by its name.
    pub fn granted(&self) -> BTreeMap<String, BTreeSet<String>> {
        let templates = self.plan.templates.values();
        let granted = templates.flat_map(|template| {
            let granted = template::granted(template);
            let roles = template::roles(template).into_iter();
            roles.map(move |(function, role)| {
                let actions = granted.get(&role).cloned();
                (function, actions.unwrap_or_default())
            })
        });
        granted.collect()
    }

    /// Takes an action away from the role of a function, and gives all others back.
    ///
    /// # Errors
    /// The role does not have it, or the stack cannot be changed.
    pub fn take_away(&self, taken: Option<(&str, &str)>) -> anyhow::Result<()> {
        for (id, template) in &self.plan.templates {
            let roles = template::roles(template);
            let role = taken.and_then(|(function, action)| Some((roles.get(function)?, action)));
            let changed = match role {
                Some((role, action)) => template::without(template, role, action)?,
                None => template.clone(),
            };
            if id == HOME {
                let parameters = self.deployer.home_parameters(&self.plan);
                let home = &self.plan.home;
                self.deployer.update(home, id, &changed, parameters)?;
                continue;
            }
            for region in &self.plan.regions {
                let parameters = self.deployer.place_parameters(region, &self.plan.home);
                self.deployer.update(region, id, &changed, parameters)?;
            }
        }
        Ok(())
    }
}

/// Both at the same time: one takes three seconds.
async fn components(manner: Manner) -> anyhow::Result<(Ministack, DynamoDbLocal)> {
    let ministack = tokio::task::spawn_blocking(|| Ministack::start_as(manner));
    let dynamodb = tokio::task::spawn_blocking(DynamoDbLocal::start);
    Ok((ministack.await??, dynamodb.await??))
}

/// The tables, as the template has them, where they are read.
fn tables(options: &Options, dynamodb: &DynamoDbLocal) -> anyhow::Result<()> {
    let caller = Caller::new(dynamodb.endpoint());
    for table in [options.name.clone(), format!("{}-jobs", options.name)] {
        caller.create_table(&options.account, &options.home, &table)?;
    }
    Ok(())
}

fn templates(options: &Options) -> anyhow::Result<BTreeMap<String, Value>> {
    let read = |id: &str| {
        let file = options.templates.join(format!("{id}.template.json"));
        let text = std::fs::read_to_string(&file);
        let text = text.with_context(|| format!("there is no {}", file.display()))?;
        let template: Value = serde_json::from_str(&text)?;
        let template = match options.impatience {
            Some(seconds) => template::impatient(&template, seconds),
            None => template,
        };
        let template = if options.hasty {
            template::hasty(&template)
        } else {
            template
        };
        anyhow::Ok((id.to_owned(), template))
    };
    [HOME, PLACE].into_iter().map(read).collect()
}

/// Ministack answers for an API at a host of its id.
fn api_host(outputs: &Outputs, ministack: &str) -> anyhow::Result<String> {
    let url = outputs.get("ApiUrl").context("home has no `ApiUrl`")?;
    let host = url.split_once("://").map_or(url.as_str(), |(_, host)| host);
    let id = host
        .split('.')
        .next()
        .context("an address without a host")?;
    let (_, port) = ministack
        .rsplit_once(':')
        .context("ministack has no port")?;
    Ok(format!("{id}.execute-api.localhost:{port}"))
}
