//! Each bug that is put in on purpose is found.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use porpoise_engine::mutant::Mutant;
use porpoise_simulation::mutants::hunt;

/// Seeds within which each has to be found, from each starting point.
const SEEDS_MAX: u64 = 3_000;

fn is_found(mutant: Mutant) {
    let mut counts = Vec::new();
    for point in 1..=3 {
        let found = hunt(mutant, 10_000_019 * point, SEEDS_MAX);
        let Some((seeds, outcome)) = found else {
            panic!("{mutant:?} is not found within {SEEDS_MAX} seeds");
        };
        println!("{mutant:?}: seed {} {:?}", outcome.seed, outcome.violation);
        counts.push(seeds);
    }
    counts.sort_unstable();
    println!("{mutant:?} takes {} seeds (median of 3)", counts[1]);
}

#[test]
fn effects_that_are_never_sent_again_are_found() {
    is_found(Mutant::NoResend);
}

#[test]
fn trust_in_a_stale_copy_is_found() {
    is_found(Mutant::StaleCopyTrusted);
}

#[test]
fn content_as_deduplication_id_is_found() {
    is_found(Mutant::ContentAsDeduplication);
}

#[test]
fn a_cancel_before_its_dispatch_that_is_ignored_is_found() {
    is_found(Mutant::CancelBeforeDispatchIgnored);
}

#[test]
fn a_command_that_is_applied_twice_is_found() {
    is_found(Mutant::CommandTwice);
}

#[test]
fn a_creation_that_is_not_finished_is_found() {
    is_found(Mutant::CreateWithoutStart);
}

#[test]
fn a_record_that_is_overwritten_is_found() {
    is_found(Mutant::RecordOverwritten);
}

#[test]
fn a_job_that_is_submitted_twice_is_found() {
    is_found(Mutant::SubmitTwice);
}

#[test]
fn a_slot_that_is_kept_after_a_kill_is_found() {
    is_found(Mutant::SlotKeptOnKill);
}

#[test]
fn a_late_report_that_is_accepted_is_found() {
    is_found(Mutant::LateReportAccepted);
}

#[test]
fn runs_of_a_mapped_task_beyond_its_window_are_found() {
    is_found(Mutant::WindowIgnored);
}

#[test]
fn elements_of_a_mapped_task_that_are_run_again_are_found() {
    is_found(Mutant::ElementsAnew);
}

#[test]
fn a_backfill_whose_kill_spares_runs_under_way_is_found() {
    is_found(Mutant::BackfillSparesUncreated);
}

#[test]
fn a_backfill_that_counts_too_few_of_its_runs_is_found() {
    is_found(Mutant::BackfillCountsCreated);
}

#[test]
fn a_workflow_that_goes_along_too_early_is_found() {
    is_found(Mutant::DependentsAtOnce);
}

#[test]
fn an_instant_that_is_forgotten_is_found() {
    is_found(Mutant::ScheduleLinkLost);
}

#[test]
fn a_snapshot_of_another_fold_that_is_used_is_found() {
    is_found(Mutant::ForeignSnapshot);
}

#[test]
fn a_loop_that_ends_without_a_last_look_is_found() {
    is_found(Mutant::LoopEndsBlind);
}

#[test]
fn a_branch_that_goes_on_unpicked_is_found() {
    is_found(Mutant::NotPickedGoesOn);
}

#[test]
fn a_task_that_waits_for_one_that_was_left_out_is_found() {
    is_found(Mutant::LeftOutAwaited);
}

#[test]
fn people_who_are_never_told_are_found() {
    is_found(Mutant::NoticeLost);
}

#[test]
fn an_attempt_that_was_sent_to_a_site_and_forgotten_is_found() {
    is_found(Mutant::SentForgotten);
}

#[test]
fn what_a_queue_in_process_forgot_and_nobody_told_again_is_found() {
    is_found(Mutant::NothingRecalled);
}

#[test]
fn a_command_that_is_acknowledged_while_only_memory_has_it_is_found() {
    is_found(Mutant::HandedOverUnheard);
}

#[test]
fn an_agent_that_is_answered_and_was_not_heard_is_found() {
    is_found(Mutant::ReportUnheard);
}

#[test]
fn a_loop_that_was_stopped_and_not_noticed_is_found() {
    is_found(Mutant::LoopStoppedUnnoticed);
}

#[test]
fn a_run_that_is_told_by_its_task_and_not_its_attempt_is_found() {
    is_found(Mutant::ChildOfTask);
}

#[test]
fn what_a_run_said_and_nobody_heard_is_found() {
    is_found(Mutant::ParentUnheard);
}

#[test]
fn subscribers_that_are_read_too_early_are_found() {
    is_found(Mutant::SubscribersReadEarly);
}

#[test]
fn who_waits_for_a_task_and_hears_only_of_the_end_of_its_run_is_found() {
    is_found(Mutant::TasksUntold);
}

#[test]
fn a_moved_task_that_counts_its_attempts_anew_is_found() {
    is_found(Mutant::EditedCountsAnew);
}

#[test]
fn a_run_below_that_is_made_anew_where_it_is_to_go_on_is_found() {
    is_found(Mutant::RecoveredAnew);
}
