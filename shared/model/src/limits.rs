//! Every limit of Porpoise, with the quota or reason that it comes from.

/// Characters of a name. DolphinScheduler's own columns hold 255.
pub const NAME_CHARS_MAX: usize = 255;
/// Bytes of a definition file: ten megabytes hold 100,000 small tasks.
pub const DEFINITION_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Tasks of a workflow.
pub const TASKS_MAX: usize = 100_000;
/// Edges of a workflow.
pub const EDGES_MAX: usize = 1_000_000;
/// Levels of nesting in a definition file.
pub const DEFINITION_DEPTH_MAX: usize = 64;
/// Bytes of a script in a task: Linux hands a program at most 128 KiB in one argument or variable, files hold more.
pub const SCRIPT_BYTES_MAX: usize = 256 * 1024;
/// Parameters, outputs, variables or labels in one list.
pub const ENTRIES_MAX: usize = 1_000;
/// Runs of other workflows that one task may name: what is found of all of them has to fit one record.
pub const DEPENDENCES_MAX: usize = 200;
/// Bytes of the outputs that those may hand on together, for the same reason.
pub const DEPENDENCE_OUTPUT_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a value that is kept inline; a larger one goes to a blob (design.md, "Values and residency").
pub const VALUE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of an item of a table: DynamoDB's limit, less what DynamoDB counts and the port does not. It counts the names
/// of the attributes (14 bytes) and a revision by its digits (12 bytes at most), for which the port counts 8 bytes.
pub const ITEM_BYTES_MAX: usize = 400 * 1024 - (14 + 12 - 8);
/// Bytes of a page of a query: DynamoDB's limit.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a record of a log; a larger decision continues in the next (design.md, "Encoding").
pub const RECORD_BYTES_MAX: usize = 64 * 1024;
/// Retries of a task.
pub const RETRIES_MAX: u32 = 1_000;
/// Seconds of any delay or time-out: a year.
pub const DELAY_SECONDS_MAX: i64 = 366 * 24 * 3600;
/// Slots of a pool.
pub const POOL_SLOTS_MAX: u32 = 100_000;
/// Slots of a pool that nobody has resized: what names a pool and says no more wants things one after the other.
pub const POOL_SLOTS_DEFAULT: u32 = 1;
/// Seconds after which a silent holder of slots is asked whether it still holds them.
pub const POOL_LEASE_SECONDS: i64 = 600;
/// How long a gate knows runs that have left it, so that an entry which comes late does not let them in again.
pub const GATE_REMEMBERED_HOURS: i64 = 24;
/// How many of those it knows at the most: the longest gone are forgotten first.
pub const GATE_REMEMBERED_MAX: usize = 4_096;
/// Seconds up to which an instant of a schedule is on time; Quartz counts later ones as misfired, too.
pub const SCHEDULE_GRACE_SECONDS: i64 = 60;
/// How far ahead of the clock a schedule's last instant may lie when people set it or switch it on. Further ahead, the
/// clock was wrong when it was fired, and its instant is forgotten.
pub const SCHEDULE_AHEAD_HOURS: i64 = 24;
/// Instants of a schedule that fire in one step: as many as a cron has within the grace, both ends counted.
pub const SCHEDULE_FIRES_MAX: usize = 61;
/// Dates of a calendar: 80 years of public holidays and bridge days; in records they have some ten kilobytes.
pub const CALENDAR_DATES_MAX: usize = 10_000;
/// Days that are looked at for the next one on which a schedule with a calendar may fire: all those of the years in which
/// a cron fires. However much a calendar excludes, the search ends.
pub const CALENDAR_SEARCH_DAYS_MAX: usize = 130 * 366;
/// How long the fold of an aggregate remembers a command (design.md, "Inputs take hold once").
pub const COMMANDS_REMEMBERED_HOURS: i64 = 24;
/// After how long an effect that nothing acknowledged is due again (design.md, "Outbox").
pub const EFFECT_RESEND_SECONDS: i64 = 120;
/// Runs above a run that another one had made: each waits for the next.
pub const RUNS_ABOVE_MAX: usize = 16;
/// Bytes of all that a run hands to the run above it: it goes into one record there.
pub const RESULTS_BYTES_MAX: usize = 32 * 1024;
/// Runs that one page of a list shows at the most.
pub const LIST_PAGE_MAX: usize = 500;
/// Nodes of a definition file, aliases counted in full: 100,000 tasks with a million edges need half of it.
pub const DEFINITION_NODES_MAX: usize = 3_000_000;
/// Bytes of all texts of a definition once aliases and defaults are copied to where they apply.
pub const DEFINITION_EXPANDED_BYTES_MAX: usize = 4 * DEFINITION_BYTES_MAX;
/// Faults, and notes, that one check reports; the rest are counted.
pub const FINDINGS_MAX: usize = 1_000;
/// Logical dates of a backfill: a year of hours, or 27 years of days. Its fold keeps those whose run did not succeed, some
/// 12 bytes each.
pub const BACKFILL_DATES_MAX: usize = 10_000;
/// Of those, how many may be named one by one: they stand in one record.
pub const BACKFILL_LISTED_MAX: usize = 2_000;
/// Runs of a backfill at the same time: as many are created in one step.
pub const BACKFILL_PARALLEL_MAX: u32 = 100;
/// Workflows that go along with a backfill: as many runs are created in one step.
pub const BACKFILL_DEPENDENTS_MAX: usize = 50;
/// Runs of a backfill with those of the workflows that go along: a year of days with all of them. Its fold keeps how each
/// run ended of the dates that did not succeed.
pub const BACKFILL_RUNS_MAX: usize = 20_000;
/// Bytes of all that a backfill begins with: one fact of one record, with space for what follows it.
pub const BACKFILL_BYTES_MAX: usize = 48 * 1024;
/// Elements of a mapped task: one run each. DolphinScheduler's own limit.
pub const MAPPED_ELEMENTS_MAX: u32 = 1_024;
/// Runs of a mapped task at the same time: as many are created in one step.
pub const MAPPED_PARALLEL_MAX: u32 = 100;
/// Bytes of the names and texts of the parameters of a project: a run's first record carries those that it can name.
pub const PROJECT_PARAMETERS_BYTES_MAX: usize = 32 * 1024;
/// Lists of a mapped task.
pub const MAPPED_LISTS_MAX: usize = 16;
/// Bytes of the values of those lists together, each with one byte more: they stand in one record.
pub const MAPPED_LISTS_BYTES_MAX: usize = 32 * 1024;
/// Bytes of the lists that a mapped task hands on together: one fact of one record, with space for what follows it.
pub const MAPPED_OUTPUT_BYTES_MAX: usize = 48 * 1024;
