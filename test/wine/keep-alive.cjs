// Wine 8 fails a connect whose socket was asked to be kept alive before (UNKNOWN, -4094), as undici does. There it is asked for afterwards.
'use strict';
const { Socket } = require('node:net');

const { setKeepAlive } = Socket.prototype;
Socket.prototype.setKeepAlive = function (...how) {
  if (!this.connecting) return setKeepAlive.apply(this, how);
  this.once('connect', () => setKeepAlive.apply(this, how));
  return this;
};
