/** Directories that change their names, in a map of paths: what is below them goes with them. */

export type Move = readonly [from: string, to: string]

/** Carries out several moves at once, so that two directories can be exchanged. */
export function moveDirectories<Node>(names: Map<string, Node>, moves: readonly Move[]): void {
  const moved: [string, Node][] = []
  for (const [from, to] of moves) {
    for (const [path, node] of names) {
      if (path === from || path.startsWith(`${from}/`)) moved.push([to + path.slice(from.length), node])
    }
  }
  for (const [from] of moves) {
    for (const path of [...names.keys()]) if (path === from || path.startsWith(`${from}/`)) names.delete(path)
  }
  for (const [path, node] of moved) names.set(path, node)
}
