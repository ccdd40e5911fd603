"""Works on one large directory for large-directory.test.ts: large-directory.py WHAT DIRECTORY COUNT SEED.

create   makes COUNT files that stay, `stays-N`
churn    creates, renames and removes other names for as long as stdin is open
list     lists until COUNT files that stay were listed three times, each exactly once a time; prints the longest time
seek     goes back to places that telldir gave, while every second entry behind them is removed
"""
import ctypes, os, random, select, sys, time

what, directory, count, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
chance = random.Random(seed)
os.chdir(directory)


def touch(name):
    os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))


def create():
    for i in range(count):
        touch(f'stays-{i}')


def churn():
    names, serial = [], 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        serial += 1
        touch(f'churn-{serial}')
        names.append(f'churn-{serial}')
        if len(names) > 50:
            name = names.pop(chance.randrange(len(names)))
            if chance.random() < 0.5:
                os.unlink(name)
            else:
                os.rename(name, name + '-renamed')
                names.append(name + '-renamed')
    print(serial)


def list_():
    longest = 0
    for _ in range(3):
        begin = time.monotonic()
        seen = bytearray(count)
        other = set()
        with os.scandir('.') as entries:
            for entry in entries:
                if entry.name.startswith('stays-'):
                    number = int(entry.name[6:])
                    assert seen[number] == 0, f'{entry.name} is listed twice'
                    seen[number] = 1
                else:
                    assert entry.name not in other, f'{entry.name} is listed twice'
                    other.add(entry.name)
        assert sum(seen) == count, f'{count - sum(seen)} entries are missing'
        longest = max(longest, time.monotonic() - begin)
    print(f'{longest:.2f}')


class Dirent(ctypes.Structure):
    _fields_ = [('ino', ctypes.c_uint64), ('off', ctypes.c_int64), ('reclen', ctypes.c_uint16),
                ('type', ctypes.c_uint8), ('name', ctypes.c_char * 256)]


def seek():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.opendir.restype = ctypes.c_void_p
    libc.readdir.restype = ctypes.POINTER(Dirent)
    libc.telldir.restype = ctypes.c_long
    libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
    libc.readdir.argtypes = libc.telldir.argtypes = libc.rewinddir.argtypes = [ctypes.c_void_p]
    stream = libc.opendir(b'.')
    places, names = [], []

    def read():
        entry = libc.readdir(stream)
        return entry.contents.name if entry else None

    while True:
        places.append(libc.telldir(stream))
        name = read()
        if name is None:
            break
        names.append(name)
    original = list(names)
    for removed in range(0, min(200, len(names) // 4)):
        at = chance.randrange(len(names) // 2, len(names) - 1)
        libc.seekdir(stream, places[at])
        found = read()
        expected = next((each for each in names[at:] if each is not None), None)
        # Until rewinddir, an entry that was removed may still show.
        assert found in (expected, original[at]), f'at {at}: {found}, not {expected}'
        if removed % 2 == 1 and found == expected and found not in (None, b'.', b'..'):
            os.unlink(found)
            names[names.index(found, at)] = None
    libc.rewinddir(stream)
    assert read() == b'.'
    rest = []
    while (name := read()) is not None:
        rest.append(name)
    assert rest == [each for each in names[1:] if each is not None], 'after rewinddir'


{'create': create, 'churn': churn, 'list': list_, 'seek': seek}[what]()
