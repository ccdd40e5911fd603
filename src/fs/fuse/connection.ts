/**
 * The FUSE connection behind a mount, as its owner may end it without being root: through the control filesystem fusectl, where
 * that is mounted (systemd does).
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { mountPointPath, unescaped } from './mount-table.ts'

const FUSECTL = '/sys/fs/fuse/connections'

/**
 * Ends the connection of the mount on `mountpoint`: whoever reads the device gets ENODEV, whoever waits for an answer
 * ECONNABORTED. False when there is no such mount, or no fusectl.
 */
export function abortConnection(mountpoint: string): boolean {
  const target = mountPointPath(mountpoint)
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  const fields = lines.map(line => line.split(' ')).findLast(line => line.length > 4 && unescaped(line[4]) === target)
  // The third field is the device, major:minor; the minor number is that of the connection.
  const connection = fields?.[2].split(':')[1]
  if (connection === undefined) return false
  try {
    writeFileSync(`${FUSECTL}/${connection}/abort`, '1')
    return true
  } catch {
    return false
  }
}
