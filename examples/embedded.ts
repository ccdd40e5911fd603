/**
 * The store as a library: records, a listing that rolls directories up, a batch that happens wholly or not at all, and
 * the move of a whole subtree. Run it after `npm run build`:
 *
 *     node --import tsx examples/embedded.ts [DIRECTORY]
 *
 * Without a directory the tree lives in memory.
 */
import { openTree } from 'holtfs'

const tree = openTree(process.argv[2])

// Keys and values are bytes; a string stands for its UTF-8.
tree.put('photos/2023/sea.jpg', 'blue')
tree.put('photos/2024/alps.jpg', 'white')
tree.put('photos/2024/lake.jpg', 'green')
tree.put('photos/index', '3')
console.log('one record:', tree.get('photos/2024/lake.jpg')?.toString())

// With a delimiter a range shows one level: what lies deeper is rolled up and never walked.
for (const entry of tree.range({ prefix: 'photos/', delimiter: '/' })) {
  if (entry.commonPrefix === undefined) console.log('record:', entry.key.toString(), '=', entry.value.toString())
  else console.log('directory:', entry.commonPrefix.toString())
}

// Guards and changes are one log record: after a crash all of it is there, or nothing.
const index = tree.getRecord('photos/index')
const added = tree.atomic(batch => {
  batch.compareAndPut('photos/index', index?.version ?? 0, '4')
  batch.putIfAbsent('photos/2024/peak.jpg', 'grey')
})
console.log('added:', added, tree.get('photos/index')?.toString())

// The index has changed since it was read: the guard fails, and the put does not happen.
const again = tree.atomic(batch => {
  batch.compareAndPut('photos/index', index?.version ?? 0, '5')
  batch.put('photos/2024/fog.jpg', 'none')
})
console.log('added again:', again, tree.get('photos/2024/fog.jpg'))

// Every key below one prefix gets another one, in a time that does not depend on how many there are.
console.log('moved:', tree.renamePrefix('photos/2024/', 'archive/2024/'))
for (const entry of tree.range({ prefix: 'archive/', keysOnly: true })) console.log('archived:', entry.key?.toString())
console.log('left in its place:', tree.isPrefixEmpty('photos/2024/') ? 'nothing' : 'something')

// sync() is what survives a power cut. close() writes a checkpoint.
tree.sync()
tree.close()
