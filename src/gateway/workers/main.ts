/** The process of a worker. Its signals are heard before anything else is loaded. */

// The signals that end a gateway reach the whole group of processes, or the whole unit: the gateway receives them, and sends us `drain`.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)
// Without its gateway a worker ends at once, as the gateway did; the next one finalizes its sessions.
process.on('disconnect', () => process.exit(1))

const { serve } = await import('./serve.ts')
serve()

export {}
