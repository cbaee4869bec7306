/**
 * How intents get to places, and logs from there. The dispatcher of the home region's own place is invoked: an event of a bus would cost five
 * times what the invocation costs that follows from it either way. All other places have buses.
 */
import { Aws, CfnCondition, CfnParameter, Fn } from 'aws-cdk-lib';

import type { PorpoiseFunction } from './function.ts';
import type { PorpoiseStack } from './stack.ts';

export interface Ways {
  readonly environment: Record<string, string>;
  /** Lets a function send intents to exactly these places. */
  letSend(user: PorpoiseFunction): void;
  /** What a function is told that reads logs there. */
  readonly readers: Record<string, string>;
  /** Lets a function ask exactly these places for logs: their pollers, which start no job for whoever invokes them. */
  letReadLogs(user: PorpoiseFunction): void;
}

/** One sort of way: what functions are told, what they may do, and when. */
interface Way {
  /** JSON: an ARN by place. */
  readonly json: string;
  readonly arns: string[];
  /** Of the pollers of the same places, with commas in between. */
  readonly readers: string;
  readonly readerArns: string[];
  readonly when?: CfnCondition;
  readonly readersWhen?: CfnCondition;
}

export function waysToPlaces(stack: PorpoiseStack): Ways {
  const { near, far } = stack.settings.artefacts === 'parameters' ? chosen(stack) : written(stack);
  return {
    environment: { ...(near && { PORPOISE_DISPATCHERS: near.json }), PORPOISE_BUSES: far?.json ?? '{}' },
    letSend(user) {
      if (near) user.allow('InvokeDispatcher', ['lambda:InvokeFunction'], near.arns, { when: near.when });
      if (far) user.allow('SendIntents', ['events:PutEvents'], far.arns, { when: far.when });
    },
    readers: { PORPOISE_LOG_READERS: Fn.join(',', [near, far].flatMap((way) => (way === undefined ? [] : [way.readers]))) },
    letReadLogs(user) {
      if (near) user.allow('ReadLogs', ['lambda:InvokeFunction'], near.readerArns, { when: near.when });
      if (far) user.allow('ReadLogsAbroad', ['lambda:InvokeFunction'], far.readerArns, { when: far.readersWhen });
    },
  };
}

type Both = { readonly near?: Way; readonly far?: Way };

/** Known when the template is made. */
function written(stack: PorpoiseStack): Both {
  const { homeRegion, dataRegions } = stack.settings;
  const far = dataRegions.filter((region) => region !== homeRegion);
  return {
    ...(far.length < dataRegions.length && { near: toDispatcher(stack) }),
    ...(far.length > 0 && { far: way(stack, far, (at) => stack.names.busArn(at)) }),
  };
}

/** Parameters of the template. */
function chosen(stack: PorpoiseStack): Both {
  const isPlace = new CfnParameter(stack, 'HomeIsPlace', {
    description: 'Whether the region of the control plane is a data region too.',
    default: 'yes',
    allowedValues: ['yes', 'no'],
  });
  const near = new CfnCondition(stack, 'ToDispatcher', { expression: Fn.conditionEquals(isPlace.valueAsString, 'yes') });
  const buses = new CfnParameter(stack, 'Buses', {
    description: 'JSON: the ARN of the bus of each place in another region, by place.',
    default: '{}',
  });
  const arns = new CfnParameter(stack, 'BusArns', {
    type: 'CommaDelimitedList',
    description: 'The same ARNs again.',
    default: '',
  });
  const pollers = new CfnParameter(stack, 'PollerArns', {
    type: 'CommaDelimitedList',
    description: 'The ARN of the poller of each of these places, which the API asks for logs.',
    default: '',
  });
  const none = Fn.conditionEquals(Fn.select(0, arns.valueAsList), '');
  const far = new CfnCondition(stack, 'ToBuses', { expression: Fn.conditionNot(none) });
  const noReaders = Fn.conditionEquals(Fn.select(0, pollers.valueAsList), '');
  const abroad = new CfnCondition(stack, 'FromPollers', { expression: Fn.conditionNot(noReaders) });
  const dispatcher = toDispatcher(stack);
  const json = Fn.conditionIf(near.logicalId, dispatcher.json, Aws.NO_VALUE).toString();
  const readers = Fn.conditionIf(near.logicalId, dispatcher.readers, '').toString();
  return {
    near: { ...dispatcher, json, readers, when: near },
    far: {
      json: buses.valueAsString,
      arns: arns.valueAsList,
      readers: Fn.join(',', pollers.valueAsList),
      readerArns: pollers.valueAsList,
      when: far,
      readersWhen: abroad,
    },
  };
}

function toDispatcher(stack: PorpoiseStack): Way {
  return way(stack, [stack.region], (at) => stack.names.functionArn('dispatcher', at));
}

function way(stack: PorpoiseStack, regions: readonly string[], arnOf: (region: string) => string): Way {
  const byPlace = Object.fromEntries(regions.map((at) => [stack.names.place(at), arnOf(at)]));
  const readerArns = regions.map((at) => stack.names.functionArn('poller', at));
  return { json: stack.toJsonString(byPlace), arns: Object.values(byPlace), readers: readerArns.join(','), readerArns };
}
