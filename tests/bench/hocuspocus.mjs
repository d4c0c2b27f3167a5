// Hocuspocus with its SQLite store: PORT, DB; DEBOUNCE in ms (its default is 2,000).
import { Server } from '@hocuspocus/server'
import { SQLite } from '@hocuspocus/extension-sqlite'

const { PORT, DB, DEBOUNCE } = process.env
const server = new Server({
  port: Number(PORT),
  address: '127.0.0.1',
  quiet: true,
  extensions: [new SQLite({ database: DB })],
  ...(DEBOUNCE === undefined ? {} : { debounce: Number(DEBOUNCE), maxDebounce: Number(DEBOUNCE) }),
})
await server.listen()
