/** The closed list of IPC channels between preload and main. Nothing else is listened to, and no name is made from data. */
export const channels = {
  /** invoke: open a connection to the engine under the caller's own number. */
  connect: 'culvert:connect',
  send: 'culvert:send',
  disconnect: 'culvert:disconnect',
  settings: 'culvert:settings',
  set: 'culvert:set',
  openExternal: 'culvert:open-external',
  installUpdate: 'culvert:install-update',
  arrivals: 'culvert:arrivals',
  /** main → window */
  message: 'culvert:message',
  closed: 'culvert:closed',
  arrival: 'culvert:arrival',
} as const;

/** The window's own address: a scheme no web page can have. */
export const windowScheme = 'culvert-window';
/** The origin of the window's own page. */
export const windowOrigin = `${windowScheme}://app`;
/** The address of the window's own page. */
export const windowAddress = `${windowOrigin}/index.html`;
