/** Signature version 4 of a request without a body. Source: IAM user guide, "Create a signed AWS API request". */
import { createHash, createHmac } from 'node:crypto';

import { CLIENT } from './deployment.ts';

/** The headers that a signed GET of `url` has. */
export function signed(url: URL, service: string): Record<string, string> {
  const at = `${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}`;
  const scope = [at.slice(0, 8), CLIENT.region, service, 'aws4_request'];
  const headers: Record<string, string> = { host: url.host, 'x-amz-date': at };
  const names = Object.keys(headers).sort();
  const listed = names.map((name) => `${name}:${headers[name]}\n`).join('');
  const canonical = ['GET', url.pathname, url.searchParams.toString(), listed, names.join(';'), sha256('')].join('\n');
  const text = ['AWS4-HMAC-SHA256', at, scope.join('/'), sha256(canonical)].join('\n');
  const { accessKeyId, secretAccessKey } = CLIENT.credentials;
  const key = scope.reduce<string | Buffer>((secret, part) => createHmac('sha256', secret).update(part).digest(), `AWS4${secretAccessKey}`);
  const signature = createHmac('sha256', key).update(text).digest('hex');
  const credential = `Credential=${accessKeyId}/${scope.join('/')}`;
  return { ...headers, authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}` };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
