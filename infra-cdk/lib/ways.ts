/**
 * How intents get to places. The dispatcher of the home region's own place is invoked: an event of a bus would cost five
 * times what the invocation costs that follows from it either way. All other places have buses.
 */
import { Aws, CfnCondition, CfnParameter, Fn } from 'aws-cdk-lib';

import type { PorpoiseFunction } from './function.ts';
import type { PorpoiseStack } from './stack.ts';

export interface Ways {
  readonly environment: Record<string, string>;
  /** Lets a function send intents to exactly these places. */
  letSend(user: PorpoiseFunction): void;
}

/** One sort of way: what functions are told, what they may do, and when. */
interface Way {
  /** JSON: an ARN by place. */
  readonly json: string;
  readonly arns: string[];
  readonly when?: CfnCondition;
}

export function waysToPlaces(stack: PorpoiseStack): Ways {
  const { near, far } = stack.settings.artefacts === 'parameters' ? chosen(stack) : written(stack);
  return {
    environment: { ...(near && { PORPOISE_DISPATCHERS: near.json }), PORPOISE_BUSES: far?.json ?? '{}' },
    letSend(user) {
      if (near) user.allow('InvokeDispatcher', ['lambda:InvokeFunction'], near.arns, { when: near.when });
      if (far) user.allow('SendIntents', ['events:PutEvents'], far.arns, { when: far.when });
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
    ...(far.length > 0 && { far: way(stack, Object.fromEntries(far.map((at) => [stack.names.place(at), stack.names.busArn(at)]))) }),
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
  const none = Fn.conditionEquals(Fn.select(0, arns.valueAsList), '');
  const far = new CfnCondition(stack, 'ToBuses', { expression: Fn.conditionNot(none) });
  const dispatcher = toDispatcher(stack);
  const json = Fn.conditionIf(near.logicalId, dispatcher.json, Aws.NO_VALUE).toString();
  return {
    near: { ...dispatcher, json, when: near },
    far: { json: buses.valueAsString, arns: arns.valueAsList, when: far },
  };
}

function toDispatcher(stack: PorpoiseStack): Way {
  return way(stack, { [stack.names.place(stack.region)]: stack.names.functionArn('dispatcher', stack.region) });
}

function way(stack: PorpoiseStack, byPlace: Record<string, string>): Way {
  return { json: stack.toJsonString(byPlace), arns: Object.values(byPlace) };
}
