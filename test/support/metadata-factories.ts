/**
 * The metadata stores that the filesystem tests run over.
 */
import type { Metadata } from '../../src/fs/metadata.ts'
import { MapMetadata } from './map-metadata.ts'

export const metadataFactories: Record<string, () => Metadata> = {
  map: () => new MapMetadata(),
}
