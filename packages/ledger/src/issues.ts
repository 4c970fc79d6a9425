/**
 * Challenges that go out, written in the background: nobody waits for them, and none is worth a refusal.
 *
 * @module
 */
import type { Driver } from './driver.js'
import type { NewLine } from './line.js'

/** Milliseconds between writes. */
const PERIOD = 1000
/** Lines a write, and waiting lines beyond which new ones are dropped: a flood must fill neither memory nor disk in one go. */
const BATCH = 500
const MOST = 10_000

export function noteIssues(driver: Driver): { note(line: NewLine): void; flush(): Promise<void> } {
  const waiting: NewLine[] = []
  let timer: ReturnType<typeof setTimeout> | undefined
  let writing: Promise<void> | undefined
  let dropped = 0

  async function write(): Promise<void> {
    while (waiting.length > 0) {
      const lines = waiting.splice(0, BATCH)
      try {
        await driver.append(lines)
      } catch {
        dropped += lines.length
      }
    }
    if (dropped > 0)
      console.warn(
        `[polyrail] Ledger "${driver.name}": ${dropped} issued challenges are not in it.`,
      )
    dropped = 0
  }

  function flush(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    return (writing ??= write().finally(() => {
      writing = undefined
    }))
  }

  return {
    note(line) {
      if (waiting.length >= MOST) return void (dropped += 1)
      waiting.push(line)
      timer ??= setTimeout(() => void flush(), PERIOD)
      timer.unref?.()
    },
    flush,
  }
}
