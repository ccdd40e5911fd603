/**
 * The kernel's side of a mount, found by its device number: the FUSE connection, which its owner may end without being root
 * through the control filesystem fusectl, where that is mounted (systemd does), and how far the kernel reads ahead.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { mountPointPath, unescaped } from './mount-table.ts'
import { MAX_TRANSFER } from './wire.ts'

const FUSECTL = '/sys/fs/fuse/connections'

/**
 * Ends the connection of the mount on `mountpoint`: whoever reads the device gets ENODEV, whoever waits for an answer
 * ECONNABORTED. False when there is no such mount, or no fusectl.
 */
export function abortConnection(mountpoint: string): boolean {
  // The minor number is that of the connection.
  const connection = deviceOf(mountpoint)?.split(':')[1]
  if (connection === undefined) return false
  try {
    writeFileSync(`${FUSECTL}/${connection}/abort`, '1')
    return true
  } catch {
    return false
  }
}

/**
 * Lets the kernel read ahead as much of a file as one READ carries; without this it asks for 128 KB at a time. Only root
 * may: for others it stays as it is.
 */
export function raiseReadAhead(mountpoint: string): void {
  try {
    writeFileSync(`/sys/class/bdi/${deviceOf(mountpoint)}/read_ahead_kb`, String(MAX_TRANSFER / 1024))
  } catch {
    // No sysfs, or it cannot be written (a container): reads are smaller then.
  }
}

/** The device of the mount on `mountpoint`, major:minor. */
function deviceOf(mountpoint: string): string | undefined {
  const target = mountPointPath(mountpoint)
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  const fields = lines.map(line => line.split(' ')).findLast(line => line.length > 4 && unescaped(line[4]) === target)
  return fields?.[2]
}
