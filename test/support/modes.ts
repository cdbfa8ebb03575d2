/** What permission bits say on this system: on Windows nothing, where every file shows the same. */
export const keepsModes = process.platform !== 'win32';
