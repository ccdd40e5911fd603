/**
 * The metadata stores that the filesystem tests run over: the engine, and a plain sorted map that it must agree with.
 */

import { openStore } from '../../src/engine/store.ts'
import type { Metadata } from '../../src/fs/metadata.ts'
import { MapMetadata } from './map-metadata.ts'

export const metadataFactories: Record<string, () => Metadata> = {
  map: () => new MapMetadata(),
  tree: () => openStore(undefined, { poolBytes: 64 << 20 }).tree,
}
