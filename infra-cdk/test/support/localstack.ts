/** LocalStack, for one machine: its interpreter of Amazon States Language, with answers of functions written down. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';

import { eventually } from './deployment.ts';

/** The interpreter of Python that LocalStack is installed for. */
export const PYTHON = process.env['PORPOISE_LOCALSTACK_PYTHON'] || undefined;

/** What a task answers, one attempt after the other; a key is the number of an attempt or a range of them. */
export type Answers = Record<string, { Return: unknown } | { Throw: { Error: string; Cause: string } }>;

export class LocalStack {
  readonly #process: ChildProcess;

  private constructor(readonly endpoint: string, process: ChildProcess) {
    this.#process = process;
  }

  /** Starts one that knows a machine by name and, for each case, what its task answers. */
  static async start(machine: string, task: string, cases: Record<string, Answers>): Promise<LocalStack> {
    const folder = mkdtempSync(join(tmpdir(), 'porpoise-localstack-'));
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
    const mocks = join(folder, 'mocks.json');
    const named = Object.fromEntries(Object.keys(cases).map((name) => [name, { [task]: name }]));
    writeFileSync(mocks, JSON.stringify({ StateMachines: { [machine]: { TestCases: named } }, MockedResponses: cases }));
    const address = `127.0.0.1:${await freePort()}`;
    const env = {
      PATH: process.env['PATH'],
      HOME: folder,
      TMPDIR: folder,
      FILESYSTEM_ROOT: folder,
      GATEWAY_LISTEN: address,
      LOCALSTACK_HOST: address,
      SFN_MOCK_CONFIG: mocks,
      // it asks nobody outside
      DISABLE_EVENTS: '1',
      SKIP_SSL_CERT_DOWNLOAD: '1',
      DNS_ADDRESS: '0',
    };
    // it goes when this process goes, however that ends
    const words = ['--pdeathsig', 'KILL', PYTHON ?? 'python3', '-m', 'localstack.runtime.main'];
    const child = spawn('setpriv', words, { env, stdio: 'ignore' });
    const started = new LocalStack(`http://${address}`, child);
    await eventually('LocalStack', () => started.#answers(), 600);
    return started;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null) {
      this.#process.kill('SIGKILL');
      await once(this.#process, 'exit');
    }
  }

  async #answers(): Promise<true | undefined> {
    if (this.#process.exitCode !== null) throw new Error(`LocalStack ended: ${this.#process.exitCode}`);
    const answer = await fetch(`${this.endpoint}/_localstack/health`).catch(() => undefined);
    return answer?.ok || undefined;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
