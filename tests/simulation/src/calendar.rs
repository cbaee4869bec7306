//! The days that schedules go by, by a naive reader of their logs, and the days that were put.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use porpoise_engine::schedule::ScheduleFact;
use porpoise_model::Address;

use crate::naive::Wrong;

/// What a schedule goes by.
#[derive(Debug)]
struct Followed {
    revision: u64,
    days: Vec<Date>,
    zone: String,
}

/// What every schedule goes by that follows the calendar.
#[derive(Debug, Default)]
pub(crate) struct Calendars {
    followed: BTreeMap<Address, Followed>,
    /// The latest revision that a client was told of.
    pub(crate) put: Arc<AtomicU64>,
    /// How often a schedule learned new days.
    pub(crate) learned: u64,
}

impl Calendars {
    /// A fact was recorded.
    pub(crate) fn read(&mut self, address: Address, fact: &ScheduleFact) -> Result<(), Wrong> {
        match fact {
            ScheduleFact::Set { setting, .. } => {
                let before = self.followed.remove(&address);
                if let Some(observed) = &setting.spec.calendar {
                    let followed = Followed {
                        revision: observed.revision,
                        days: observed.exclusions.dates().to_vec(),
                        zone: setting.spec.timezone.clone(),
                    };
                    if before.is_some_and(|before| before.revision > followed.revision) {
                        let what = format!("{address} goes back to older days: {fact:?}");
                        return Err(("log-is-truth", what));
                    }
                    self.followed.insert(address, followed);
                }
            }
            ScheduleFact::Unset => {
                self.followed.remove(&address);
            }
            ScheduleFact::CalendarChanged { change, .. } => {
                let followed = self.followed.get_mut(&address);
                let Some(followed) = followed.filter(|f| f.revision < change.revision) else {
                    let what =
                        format!("{address} learns what it does not follow, or knows: {fact:?}");
                    return Err(("log-is-truth", what));
                };
                followed.revision = change.revision;
                followed.days = change.exclusions.dates().to_vec();
                self.learned += 1;
            }
            ScheduleFact::Came { fired, .. } => {
                if let Some(followed) = self.followed.get(&address) {
                    let zone = TimeZone::get(&followed.zone).expect("a zone");
                    let day = |at: jiff::Timestamp| at.to_zoned(zone.clone()).date();
                    let mut closed = fired.iter().map(|at| at.0);
                    if let Some(at) = closed.find(|at| followed.days.contains(&day(*at))) {
                        let what = format!("{address} fires at {at}, on an excluded day");
                        return Err(("once-per-instant", what));
                    }
                }
            }
            ScheduleFact::Commanded { .. }
            | ScheduleFact::WentOnline { .. }
            | ScheduleFact::WentOffline
            | ScheduleFact::Created { .. }
            | ScheduleFact::Halted { .. } => {}
        }
        Ok(())
    }

    /// Once the world is at rest, every schedule goes by the days that were put last.
    pub(crate) fn last(&self) -> Result<(), Wrong> {
        let put = self.put.load(Ordering::Relaxed);
        let mut followed = self.followed.iter();
        match followed.find(|(_, followed)| followed.revision != put) {
            Some((address, followed)) => {
                let what = format!("{address} goes by {followed:?}, revision {put} was put");
                Err(("log-is-truth", what))
            }
            None => Ok(()),
        }
    }
}
