#!/usr/bin/env node
// Mints an instruction cookie: FARM_KEY_ID=k1 FARM_KEY=... ./mint.cjs farm=app member=app1 exp=$(($(date +%s) + 600))
// Set it with Path=/; HttpOnly; Secure; SameSite=Lax, in Express:
//     response.cookie('farm', value, { path: '/', httpOnly: true, secure: true, sameSite: 'lax' });
// KID and KEY are a line KID:KEY of FarmSecretFile. No file with a key is ever to be in the web root.
'use strict';
const { createHmac } = require('node:crypto');

/** fields: an object or pairs, such as { farm: 'app', to: 'gold', exp: Math.floor(Date.now() / 1000) + 600 } */
function mint(kid, key, fields) {
  const payload = new URLSearchParams(fields).toString();
  const signed = `v1.${kid}.${Buffer.from(payload).toString('base64url')}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

module.exports = { mint };

if (require.main === module) {
  const { FARM_KEY_ID: kid, FARM_KEY: key } = process.env;
  const args = process.argv.slice(2);
  if (!kid || !key || !args.every((arg) => arg.includes('='))) {
    console.error('usage: FARM_KEY_ID=KID FARM_KEY=KEY mint.cjs name=value ...');
    process.exit(1);
  }
  console.log(mint(kid, key, args.map((arg) => [arg.slice(0, arg.indexOf('=')), arg.slice(arg.indexOf('=') + 1)])));
}
