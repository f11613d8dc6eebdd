// Serves dynalite on a free loopback port, prints the port, and ends with its standard input.
// POST /reset: an empty database in place of the one before.
'use strict'

const http = require('http')
const dynalite = require('dynalite')

const empty = () => dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 })
let database = empty()

const server = http.createServer((request, response) => {
  if (request.url !== '/reset') return database.emit('request', request, response)
  database = empty()
  response.end()
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.on('end', () => process.exit(0)).resume()
