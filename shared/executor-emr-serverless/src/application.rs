//! Applications: found by name, and started if they are stopped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_emrserverless::Client;
use aws_sdk_emrserverless::types::{Application, ApplicationState as State};
use porpoise_model::{Place, Target};

use crate::error::Failure;
use crate::settings::Settings;

/// Ids of applications that were found by their name. An id that is gone is forgotten.
#[derive(Debug, Clone, Default)]
pub(crate) struct Applications {
    ids: Arc<Mutex<BTreeMap<(Place, String), String>>>,
}

impl Applications {
    /// The id of a target's application.
    pub(crate) async fn id(
        &self,
        client: &Client,
        target: &Target,
        settings: &Settings,
    ) -> Result<String, Failure> {
        if let Some(id) = &settings.application_id {
            return Ok(id.clone());
        }
        let name = settings.application_name.clone().unwrap_or_default();
        let key = (target.place.clone(), name);
        if let Some(id) = self.lock().get(&key) {
            return Ok(id.clone());
        }
        let id = find(client, &key.1, &key.0).await?;
        self.lock().insert(key, id.clone());
        Ok(id)
    }

    /// Somebody says that it is gone: another one may have its name.
    pub(crate) fn forget(&self, id: &str) {
        self.lock().retain(|_, known| known != id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(Place, String), String>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn find(client: &Client, name: &str, place: &Place) -> Result<String, Failure> {
    let mut pages = client.list_applications().into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(application) = pages.next().await {
        let application = application.map_err(Failure::of)?;
        let named = application.name.as_deref() == Some(name);
        if named && application.state != State::Terminated {
            found.push(application.id);
        }
    }
    let count = found.len();
    match (found.pop(), count) {
        (Some(id), 1) => Ok(id),
        (Some(_), many) => Err(Failure::Refused(format!(
            "{many} applications at `{place}` are called `{name}`: set `application_id` in the settings of the target"
        ))),
        (None, _) => Err(Failure::Refused(format!(
            "no application at `{place}` is called `{name}`: create it, or correct the settings of the target"
        ))),
    }
}

/// Why a job was refused, as far as its application is the reason.
#[derive(Debug)]
pub(crate) enum Reason {
    /// It takes no jobs yet, and will soon.
    NotYet,
    /// It takes no jobs, for this reason.
    Never(String),
    /// It is none of the application's doing.
    Other,
}

/// Looks why an application may have refused a job, and starts it if it is stopped.
pub(crate) async fn look(client: &Client, id: &str, start: bool) -> Result<Reason, Failure> {
    let get = client.get_application().application_id(id).send().await;
    let Some(application) = get.map_err(Failure::of)?.application else {
        return Ok(Reason::Other);
    };
    let state = &application.state;
    let on_its_way = [State::Creating, State::Starting, State::Stopping].contains(state);
    if on_its_way && takes_care(&application, start) {
        return Ok(Reason::NotYet);
    }
    if *state == State::Terminated {
        let reason = format!("application `{id}` is terminated");
        return Ok(Reason::Never(reason));
    }
    let rests = [State::Created, State::Stopped].contains(state);
    if !rests || starts_by_itself(&application) {
        return Ok(Reason::Other);
    }
    if start {
        let start = client.start_application().application_id(id).send().await;
        start.map_err(Failure::of)?;
        return Ok(Reason::NotYet);
    }
    Ok(Reason::Never(format!(
        "application `{id}` is {state} and does not start by itself: start it, or set `start_application` in the \
         settings of the target"
    )))
}

/// Whether an application that is on its way will come to take jobs.
fn takes_care(application: &Application, start: bool) -> bool {
    start || starts_by_itself(application) || application.state == State::Starting
}

fn starts_by_itself(application: &Application) -> bool {
    let setting = application.auto_start_configuration.as_ref();
    setting.and_then(|setting| setting.enabled).unwrap_or(true)
}
