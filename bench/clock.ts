/** What time is measured by: the clock on the wall, or the processor's time of this process with all its threads. */

export type Clock = () => number

/** Nanoseconds since any moment. */
export const CLOCKS: Record<string, Clock> = {
  wall: () => Number(process.hrtime.bigint()),
  cpu: () => {
    const { user, system } = process.cpuUsage()
    return (user + system) * 1000
  },
}
