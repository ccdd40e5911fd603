/** What an acknowledged record survives: `process` the end of the process, `sync` a power cut, `async` neither. */
export const DURABILITIES = ['process', 'sync', 'async'] as const
export type Durability = (typeof DURABILITIES)[number]
