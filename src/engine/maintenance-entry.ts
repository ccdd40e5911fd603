/** Where the background thread begins: a store that is closed again by now needs none of its modules. */
import { workerData } from 'node:worker_threads'
import { M_STOP, type MaintenanceData } from './maintenance-data.ts'

if (new Int32Array((workerData as MaintenanceData).words)[M_STOP] === 0) await import('./maintenance-worker.ts')
