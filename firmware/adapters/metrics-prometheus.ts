/** Metrics for Prometheus to fetch, on loopback alone: https://prometheus.io/docs/instrumenting/exposition_formats/ */
import { createServer } from 'node:http'
import { Counter, Gauge, Registry } from 'prom-client'

/** One metric as it stands now. */
interface Reading {
  readonly name: string
  readonly help: string
  readonly type: 'gauge' | 'counter'
  readonly values: readonly { readonly value: number; readonly labels?: Readonly<Record<string, string>> }[]
}

/** A page of the machine's own browser must not read them under another name for 127.0.0.1. */
const isLocal = (host: string | undefined) => /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(host ?? '')

/** Answers `GET /metrics` until closed. @throws Error in one line when the port cannot be had. */
export async function serveMetrics(port: number, read: () => readonly Reading[]): Promise<{ close(): Promise<void> }> {
  const server = createServer(async (request, response) => {
    const answer = (status: number, type: string, text: string) =>
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(text)
    if (!isLocal(request.headers.host)) return answer(403, 'text/plain', 'on loopback only\n')
    if (request.url !== '/metrics') return answer(404, 'text/plain', 'here is only /metrics\n')
    if (request.method !== 'GET') return answer(405, 'text/plain', 'GET only\n')
    const registry = register(read())
    return answer(200, registry.contentType, await registry.metrics())
  })
  // Who never ends his request must not keep the process from leaving, nor take its memory.
  server.maxConnections = 16
  server.requestTimeout = server.headersTimeout = 5_000
  await new Promise<void>((listening, failed) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      failed(new Error(`metrics.port ${port} cannot be served (${error.code}): choose another, or 0 for none`)),
    )
    server.listen(port, '127.0.0.1', listening)
  })
  server.on('error', () => {})
  server.unref()
  return {
    close: () =>
      new Promise((closed) => {
        server.close(() => closed())
        server.closeAllConnections()
      }),
  }
}

/** The values are counted elsewhere: a registry of its own for each answer. */
function register(readings: readonly Reading[]): Registry {
  const registry = new Registry()
  for (const { name, help, type, values } of readings) {
    const labelNames = [...new Set(values.flatMap(({ labels }) => Object.keys(labels ?? {})))]
    const options = { name, help, labelNames, registers: [registry] }
    if (type === 'gauge') {
      const gauge = new Gauge(options)
      for (const { value, labels } of values) gauge.set(labels ?? {}, value)
    } else {
      const counter = new Counter(options)
      for (const { value, labels } of values) counter.inc(labels ?? {}, value)
    }
  }
  return registry
}
