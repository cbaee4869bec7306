/** What an execution of a state machine went through. */
import type { HistoryEvent, SFN } from '@aws-sdk/client-sfn';

/** Each state that is entered is one transition. */
export function entered(events: readonly HistoryEvent[]): string[] {
  const names = events.map(({ stateEnteredEventDetails }) => stateEnteredEventDetails?.name);
  return names.filter((name) => name !== undefined);
}

/** What a state was given, each time that it was entered. */
export function given(events: readonly HistoryEvent[], state: string): unknown[] {
  const details = events.flatMap(({ stateEnteredEventDetails: entered }) => (entered?.name === state ? [entered] : []));
  return details.map(({ input }) => JSON.parse(input ?? 'null'));
}

export async function history(machines: SFN, executionArn: string | undefined): Promise<HistoryEvent[]> {
  return (await machines.getExecutionHistory({ executionArn, maxResults: 1000 })).events ?? [];
}

/** Whether a try of a task failed. Emulators do not agree on what that is called for a function. */
export function failed({ type }: HistoryEvent): boolean {
  return type === 'LambdaFunctionFailed' || type === 'TaskFailed';
}
