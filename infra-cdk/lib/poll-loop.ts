/**
 * The poll loop of a place: a state machine that lives while jobs are in flight, and costs two transitions a tick.
 *
 * A tick enters two states, `Tick` and `Pause`. A `Choice` that asks whether to go on would be a third, so the poller
 * ends the loop by failing with the error `LoopEnded`, which `Tick` catches: once a loop, and not once a tick.
 *
 * Whoever starts an execution, named by place and epoch, gives it `{place, epoch, tick: 0}`. Each tick answers what the
 * next one is asked with, and how many seconds to wait before it: `{wait, place, epoch, tick}`, where `tick` is one more.
 * So the poller knows how long the history is, and begins the next epoch in time.
 */
import { Duration } from 'aws-cdk-lib';

/** What the poller fails with when nothing is in flight any more. */
export const LOOP_ENDED = 'LoopEnded';

/** The poller has this long. */
export const POLL_TIMEOUT = Duration.minutes(1);

/** Events that a tick adds to the history, of which AWS keeps 25,000: the poller moves to the next epoch before that. */
export const HISTORY_EVENTS_A_TICK = 7;

/**
 * Whether somebody stopped the loop although jobs are in flight is asked this often, as often as the sweep looks at home.
 * In a month without work that is 4,380 calls and as many reads: half a cent.
 */
export const MEND_EVERY = Duration.minutes(10);

/** An outage is sat out for about three days; who mends the loop then starts the next epoch. */
const OUTAGE = { IntervalSeconds: 5, BackoffRate: 2, MaxDelaySeconds: 600, MaxAttempts: 440, JitterStrategy: 'FULL' };

/** The definition in Amazon States Language; the stack fills in the ARN of the poller. */
export function definition(): Record<string, unknown> {
  return {
    Comment: 'Looks after the jobs of a place for as long as there are any.',
    StartAt: 'Tick',
    States: {
      Tick: {
        Type: 'Task',
        Comment: 'Takes {place, epoch, tick}, answers {wait, place, epoch, tick: tick + 1}, or fails with LoopEnded.',
        Resource: '${Poller}',
        TimeoutSeconds: POLL_TIMEOUT.toSeconds() + 30,
        Retry: [
          { ErrorEquals: [LOOP_ENDED], MaxAttempts: 0 },
          { ErrorEquals: ['States.ALL'], ...OUTAGE },
        ],
        Catch: [{ ErrorEquals: [LOOP_ENDED], Next: 'Ended' }],
        Next: 'Pause',
      },
      Pause: { Type: 'Wait', SecondsPath: '$.wait', Next: 'Tick' },
      Ended: { Type: 'Succeed' },
    },
  };
}
