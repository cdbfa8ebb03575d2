/** What permission bits say on this system: on Windows nothing, where every file shows the same. */
export const keepsModes = process.platform !== 'win32';

/** Not for what a test says of Unix alone: sockets and programs that are files of their own kind, links, what bash reads, a root of systemd's. */
export const isUnix = process.platform !== 'win32';
