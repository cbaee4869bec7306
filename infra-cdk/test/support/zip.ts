/** Zips of functions for tests: one executable file, `bootstrap`, stored as it is. */
import { crc32 } from 'node:zlib';

/** A zip that holds `bootstrap`, for everybody to execute. */
export function bootstrapZip(content: Buffer): Buffer {
  const name = Buffer.from('bootstrap');
  const sizes = [crc32(content), content.length, content.length] as const;
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(20, 4);
  sizes.forEach((size, index) => local.writeUInt32LE(size, 14 + 4 * index));
  local.writeUInt16LE(name.length, 26);
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE((3 << 8) | 20, 4); // made on Unix: the permissions count
  entry.writeUInt16LE(20, 6);
  sizes.forEach((size, index) => entry.writeUInt32LE(size, 16 + 4 * index));
  entry.writeUInt16LE(name.length, 28);
  entry.writeUInt32LE((0o100755 << 16) >>> 0, 38);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(entry.length + name.length, 12);
  end.writeUInt32LE(local.length + name.length + content.length, 16);
  return Buffer.concat([local, name, content, entry, name, end]);
}
