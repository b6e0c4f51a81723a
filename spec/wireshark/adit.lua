-- A Wireshark dissector of the adit tunnel protocol (PROTOCOL.md, sections 4 to 6, 24, 30 and 32).
--
-- It is asked for TCP port 9000 (a preference), for TLS with ALPN adit/1, by
-- "Decode As", and by a heuristic. Filters: adit.type == "Data", adit.id == 7,
-- adit.status != 0, adit.code == "over-budget", adit.requirement == "FRAME-004".

local VERSION, HEADER = 0x01, 6

-- Generated from the JSON files of this folder's parent: go generate ./spec
local MAX_PAYLOAD = 1048576
local frames = {
  [0x01] = { name = "ConnectRequest", from = "server", ext = false, forms = {
    { min = 6, max = 6, { "id", 4 }, { "port", 2 } },
    { min = 7, max = 262, { "id", 4 }, { "port", 2 }, { "n", 1, counts = true }, { "host", "n" } },
  } },
  [0x02] = { name = "ConnectResponse", from = "client", ext = false, forms = {
    { min = 5, max = 5, { "id", 4 }, { "status", 1 } },
  } },
  [0x03] = { name = "Data", from = "both", ext = false, forms = {
    { min = 4, max = 1048576, { "id", 4 }, { "octets" } },
  } },
  [0x04] = { name = "Close", from = "both", ext = false, forms = {
    { min = 4, max = 4, { "id", 4 } },
  } },
  [0x05] = { name = "KeepAlive", from = "both", ext = false, forms = {
    { min = 0, max = 0 },
  } },
  [0x10] = { name = "HELLO", from = "both", ext = true, forms = {
    { min = 0, max = 4096, { "tlvs" } },
  } },
  [0x11] = { name = "WINDOW", from = "both", ext = true, forms = {
    { min = 12, max = 12, { "id", 4 }, { "limit", 8 } },
  } },
  [0x12] = { name = "FIN", from = "both", ext = true, forms = {
    { min = 4, max = 4, { "id", 4 } },
  } },
  [0x13] = { name = "RESET", from = "both", ext = true, forms = {
    { min = 6, max = 262, { "id", 4 }, { "code", 2 }, { "text" } },
  } },
  [0x14] = { name = "OPEN", from = "server", ext = true, forms = {
    { min = 4, max = 4096, { "id", 4 }, { "tlvs" } },
  } },
  [0x16] = { name = "GOAWAY", from = "both", ext = true, forms = {
    { min = 2, max = 258, { "code", 2 }, { "text" } },
  } },
  [0x17] = { name = "PING", from = "both", ext = true, forms = {
    { min = 8, max = 8, { "mark", 8 } },
  } },
  [0x18] = { name = "PONG", from = "both", ext = true, forms = {
    { min = 8, max = 8, { "mark", 8 } },
  } },
  [0x1D] = { name = "OPENED", from = "client", ext = true, forms = {
    { min = 4, max = 4096, { "id", 4 }, { "tlvs" } },
  } },
  [0x19] = { name = "AUTH", from = "both", ext = true, option = "auth", forms = {
    { min = 0, max = 0 },
    { min = 32, max = 32, { "proof", 32 } },
  } },
  [0x1A] = { name = "BIND", from = "client", ext = true, option = "bind", forms = {
    { min = 4, max = 4096, { "bind", 4 }, { "tlvs" } },
  } },
  [0x1B] = { name = "BOUND", from = "server", ext = true, option = "bind", forms = {
    { min = 6, max = 4096, { "bind", 4 }, { "code", 2 }, { "tlvs" } },
  } },
  [0x1C] = { name = "UNBIND", from = "both", ext = true, option = "bind", forms = {
    { min = 6, max = 6, { "bind", 4 }, { "code", 2 } },
  } },
}
local options = {
  [0x15] = "DATAGRAM",
  [0x1E] = "ACK",
}
local statuses = {
  [0x00] = "success",
  [0x01] = "general",
  [0x02] = "refused",
  [0x03] = "timed-out",
  [0x04] = "unreachable",
  [0x05] = "not-resolved",
  [0x06] = "denied",
  [0x07] = "too-many",
}
local codes = {
  [0x0000] = "ok",
  [0x0001] = "general",
  [0x0002] = "refused",
  [0x0003] = "timed-out",
  [0x0004] = "unreachable",
  [0x0005] = "not-resolved",
  [0x0006] = "denied",
  [0x0007] = "too-many",
  [0x0008] = "unsupported",
  [0x0009] = "unknown-service",
  [0x000A] = "in-use",
  [0x0010] = "reset",
  [0x0011] = "cancelled",
  [0x0012] = "idle",
  [0x0013] = "over-budget",
  [0x0020] = "drain",
  [0x0021] = "done",
  [0x0022] = "protocol",
  [0x0023] = "flow-control",
  [0x0024] = "dead",
  [0x0025] = "replaced",
}
local tags = {
  [0x0001] = "agent",
  [0x0002] = "name",
  [0x0003] = "instance",
  [0x0004] = "window",
  [0x0005] = "max-connections",
  [0x0010] = "auth",
  [0x0011] = "udp",
  [0x0012] = "bind",
  [0x0013] = "resume",
  [0x0020] = "network",
  [0x0021] = "host",
  [0x0022] = "port",
  [0x0023] = "service",
  [0x0024] = "origin",
  [0x0025] = "local",
  [0x0026] = "text",
}
-- End of the generated part

-- Section 5.
local types = {}
for t = 0x00, 0xFF do
  types[t] = t >= 0x80 and "Private" or t >= 0x10 and t <= 0x3F and "Extended" or "Reserved"
end
for t, name in pairs(options) do
  types[t] = "Extended " .. name
end
for t, frame in pairs(frames) do
  types[t] = frame.name
end

local adit = Proto("adit", "adit tunnel protocol")
-- Fields of a payload stand here under their names in sections 6, 24, 30 and 32.
local f = {
  version = ProtoField.uint8("adit.version", "Version", base.HEX),
  type = ProtoField.uint8("adit.type", "Type", base.HEX, types),
  length = ProtoField.uint32("adit.length", "Length", base.DEC),
  id = ProtoField.uint32("adit.id", "Connection ID", base.DEC),
  port = ProtoField.uint16("adit.port", "Port", base.DEC),
  n = ProtoField.uint8("adit.host_length", "Length of the host", base.DEC),
  host = ProtoField.string("adit.host", "Host", base.ASCII),
  status = ProtoField.uint8("adit.status", "Status", base.HEX, statuses),
  octets = ProtoField.bytes("adit.data", "Data"),
  limit = ProtoField.uint64("adit.limit", "Limit", base.DEC),
  code = ProtoField.uint16("adit.code", "Code", base.HEX, codes),
  text = ProtoField.string("adit.text", "Text", base.ASCII),
  mark = ProtoField.bytes("adit.mark", "Mark"),
  bind = ProtoField.uint32("adit.bind", "Bind ID", base.DEC),
  proof = ProtoField.bytes("adit.proof", "Proof"),
  tag = ProtoField.uint16("adit.tag", "Tag", base.HEX, tags),
  value = ProtoField.bytes("adit.value", "Value"),
  payload = ProtoField.bytes("adit.payload", "Payload"),
  rest = ProtoField.bytes("adit.rest", "Bytes that no side acts on"),
  requirement = ProtoField.string("adit.requirement", "Broken requirement", base.ASCII),
  request = ProtoField.framenum("adit.request", "Requested in", base.NONE, frametype.REQUEST),
}
adit.fields = f

local function rule(name, text)
  return ProtoExpert.new("adit.expert." .. name, text, expert.group.PROTOCOL, expert.severity.ERROR)
end
local broken = {
  ["FRAME-002"] = rule("version", "FRAME-002: the version is not 0x01; nothing from here on is acted on"),
  ["FRAME-004"] = rule("length", "FRAME-004: the length is above 1,048,576; nothing from here on is acted on"),
  ["FRAME-008"] = rule("size", "FRAME-008: the payload has a size that its type does not allow"),
  ["FRAME-009"] = rule("reserved", "FRAME-009: a reserved type is never sent"),
  ["OPEN-010"] = rule("request", "OPEN-010: a client never sends ConnectRequest"),
  ["OPEN-011"] = rule("response", "OPEN-011: a server never sends ConnectResponse"),
  ["XOPEN-016"] = rule("open", "XOPEN-016: a client never sends OPEN, nor a server OPENED"),
  ["BIND-018"] = rule("bind", "BIND-018: a server never sends BIND, nor a client BOUND"),
  ["HELLO-006"] = rule("option", "HELLO-006: the option that this type belongs to was not agreed"),
  ["HELLO-012"] = rule("hello", "HELLO-012: a HELLO has at most 4096 bytes"),
  ["TLV-001"] = rule("tlvs", "TLV-001: the TLVs do not end where the payload does"),
}
-- What a frame breaks that its sender's role never sends.
local misplaced = { ConnectRequest = "OPEN-010", ConnectResponse = "OPEN-011", OPEN = "XOPEN-016", OPENED = "XOPEN-016", BIND = "BIND-018", BOUND = "BIND-018" }
local cut = ProtoExpert.new("adit.expert.cut", "The capture lacks bytes, so where the next frame begins is unknown", expert.group.UNDECODED, expert.severity.NOTE)
local after = ProtoExpert.new("adit.expert.after", "The tunnel ended with an error in an earlier packet", expert.group.PROTOCOL, expert.severity.NOTE)
adit.experts = { after, cut }
for _, e in pairs(broken) do
  table.insert(adit.experts, e)
end

adit.prefs.port = Pref.uint("TCP port", 9000, "The port on which the server accepts tunnels")

-- What is remembered of a capture: the packet in which each direction of a
-- tunnel broke a rule, or was lost since the capture lacks bytes, and the
-- packets in which connections were requested, and in which each direction said HELLO, with its tags.
local dead, lost, requests, hellos
function adit.init()
  dead, lost, requests, hellos = {}, {}, {}, {}
end

local stream = Field.new("tcp.stream")

-- tunnel names the TCP connection that a packet belongs to.
local function tunnel()
  local s = stream()
  return s and s.value or 0
end

-- sender is the role that sent a packet, or nil where the ports do not tell.
local function sender(pinfo)
  local from, to = pinfo.src_port == adit.prefs.port, pinfo.dst_port == adit.prefs.port
  return from ~= to and (from and "server" or "client") or nil
end

-- layout is the fields of a payload of n bytes, each with its name, place
-- and size. It returns nothing for a size that the type does not allow, and
-- nil and a number for a payload of which it has to see so many bytes first.
local function layout(tvb, at, type, n)
  for _, form in ipairs(frames[type].forms) do
    if n >= form.min and n <= form.max then
      local fields, counts, pos = {}, {}, 0
      for _, field in ipairs(form) do
        local size = counts[field[2]] or field[2] or n - pos
        if field.counts then
          if at + pos + size > tvb:len() then
            return nil, pos + size
          end
          counts[field[1]] = tvb(at + pos, size):uint()
        end
        table.insert(fields, { name = field[1], at = at + pos, size = size })
        pos = pos + size
      end
      return pos == n and fields or nil
    end
  end
end

-- tlvs are the TLVs of n bytes, each with its tag, place and size, or nothing when they do not end there.
local function tlvs(tvb, at, n)
  local all, last = {}, at + n
  while at < last do
    local size = at + 4 <= last and tvb(at + 2, 2):uint()
    if not size or at + 4 + size > last then
      return
    end
    table.insert(all, { tag = tvb(at, 2):uint(), at = at + 4, size = size })
    at = at + 4 + size
  end
  return all
end

-- extended reports whether both sides have said HELLO by this packet; with the name of an option's tag, whether both have agreed to it.
local function extended(pinfo, option)
  local directions = 0
  for _, hello in pairs(hellos[tunnel()] or {}) do
    if hello.packet <= pinfo.number and (not option or hello.tags[option]) then
      directions = directions + 1
    end
  end
  return directions == 2
end

-- misformed says which rule of section 24 a frame breaks whose size is right.
local function misformed(tvb, at, fields)
  local last = fields[#fields]
  if last and last.name == "tlvs" and not tlvs(tvb, last.at, last.size) then
    return "TLV-001"
  end
end

-- violation says which rule a frame breaks, in the order of sections 15 and 29, and how many of its bytes it takes to tell.
-- Before both sides have said HELLO a tunnel is Core's, which skips the frames of section 24.
local function violation(tvb, offset, pinfo)
  if tvb:len() - offset < HEADER then
    return nil, HEADER
  end
  local type, n = tvb(offset + 1, 1):uint(), tvb(offset + 2, 4):uint()
  if tvb(offset, 1):uint() ~= VERSION then
    return "FRAME-002", HEADER
  elseif n > MAX_PAYLOAD then
    return "FRAME-004", HEADER
  elseif (options[type] or frames[type] and frames[type].option and not extended(pinfo, frames[type].option)) and extended(pinfo) then
    return "HELLO-006", HEADER
  elseif not frames[type] then
    return nil, HEADER
  elseif frames[type].name == "HELLO" and n > frames[type].forms[1].max then
    return "HELLO-012", HEADER
  elseif frames[type].ext and not extended(pinfo) then
    return nil, HEADER
  end
  local from, by = frames[type].from, sender(pinfo)
  if by and from ~= "both" and from ~= by then
    return misplaced[frames[type].name], HEADER
  end
  local fields, needed = layout(tvb, offset + HEADER, type, n)
  if needed then
    return nil, HEADER + needed
  elseif not fields then
    return "FRAME-008", HEADER
  elseif not frames[type].ext then
    return nil, HEADER
  elseif tvb:len() - offset < HEADER + n then
    return nil, HEADER + n
  end
  return misformed(tvb, offset + HEADER, fields), HEADER
end

-- charge marks an item with the requirement that it breaks.
local function charge(tree, item, requirement)
  tree:add(f.requirement, requirement):set_generated()
  item:add_proto_expert_info(broken[requirement])
end

-- printable is a host as the Info column may show it.
local function printable(host)
  return (host:gsub("[^%w%.:_-]", function(c)
    return string.format("\\x%02x", c:byte())
  end))
end

-- connection adds the ID, and the packet in which it was requested last.
local function connection(tvb, offset, pinfo, tree, type)
  local id = tvb(offset, 4):uint()
  tree:add(f.id, tvb(offset, 4))
  local key = tunnel() .. "/" .. id
  local list = requests[key] or {}
  requests[key] = list
  if frames[type].name == "ConnectRequest" or frames[type].name == "OPEN" then
    if not pinfo.visited then
      table.insert(list, pinfo.number)
    end
    return id
  end
  for i = #list, 1, -1 do
    if list[i] <= pinfo.number then
      tree:add(f.request, list[i]):set_generated()
      break
    end
  end
  return id
end

-- frame adds a frame that breaks no rule of its format, and returns what the Info column says of it.
local function frame(tvb, offset, pinfo, tree, type, n)
  local fields = frames[type] and layout(tvb, offset + HEADER, type, n)
  if not fields then -- unknown, or of section 24 on a tunnel of Core, which skips it
    if n > 0 then
      tree:add(f.payload, tvb(offset + HEADER, n))
    end
    return frames[type] and types[type] or string.format("%s 0x%02X", types[type], type)
  end
  local text, at = types[type], {}
  for _, field in ipairs(fields) do
    at[field.name] = field
    if field.name == "id" then
      text = text .. " " .. connection(tvb, field.at, pinfo, tree, type)
    elseif field.name == "tlvs" then
      for _, tlv in ipairs(tlvs(tvb, field.at, field.size) or {}) do
        local item = tree:add(f.tag, tvb(tlv.at - 4, 2))
        if tlv.size > 0 then
          item:add(f.value, tvb(tlv.at, tlv.size))
        end
      end
    elseif field.size > 0 then
      tree:add(f[field.name], tvb(field.at, field.size))
    end
  end
  if at.port then
    local host = at.host and at.host.size > 0 and printable(tvb:raw(at.host.at, at.host.size)) or ""
    text = text .. " " .. host .. ":" .. tvb(at.port.at, 2):uint()
  end
  if at.bind then
    text = text .. " " .. tvb(at.bind.at, 4):uint()
  end
  if at.status then
    text = text .. " " .. (statuses[tvb(at.status.at, 1):uint()] or "failure")
  end
  if at.code then
    text = text .. " " .. (codes[tvb(at.code.at, 2):uint()] or "general")
  end
  if at.limit then
    text = text .. " " .. tostring(tvb(at.limit.at, 8):uint64())
  end
  if at.octets then
    text = string.format("%s, %d bytes", text, at.octets.size)
  end
  return text
end

-- ended shows what follows an error, and takes all of it.
local function ended(tvb, offset, root)
  if offset < tvb:len() then
    root:add(f.rest, tvb(offset))
  end
  return tvb:len()
end

-- unknown shows bytes that cannot be dissected.
local function unknown(tvb, offset, pinfo, root, text, why)
  pinfo.cols.protocol = "adit"
  local item = root:add(adit, tvb(offset), "adit, " .. text)
  item:add_proto_expert_info(why)
  return ended(tvb, offset, item)
end

-- show puts a text into the Info column; a packet may have several calls.
local function show(pinfo, texts)
  if #texts == 0 then
    return
  end
  local text = table.concat(texts, "; ")
  if tostring(pinfo.cols.protocol) == "adit" then
    pinfo.cols.info:append("; " .. text)
  else
    pinfo.cols.protocol = "adit"
    pinfo.cols.info:set(text)
  end
end

-- more asks TCP for n bytes behind those that there are, or for any with
-- nil. It returns nothing when TCP cannot give them: the capture is cut.
local function more(tvb, offset, pinfo, n)
  if pinfo.can_desegment == 0 then
    return
  end
  pinfo.desegment_offset = offset
  pinfo.desegment_len = n or DESEGMENT_ONE_MORE_SEGMENT
  return tvb:len()
end

function adit.dissector(tvb, pinfo, root)
  local direction = tunnel() .. "/" .. pinfo.src_port .. "/" .. tostring(pinfo.src)
  if dead[direction] and dead[direction] < pinfo.number then
    return unknown(tvb, 0, pinfo, root, "after a tunnel error", after)
  elseif lost[direction] and lost[direction] < pinfo.number then
    return unknown(tvb, 0, pinfo, root, "after bytes that were not captured", cut)
  end
  local offset, texts = 0, {}
  while offset < tvb:len() do
    local left = tvb:len() - offset
    local requirement, needed = violation(tvb, offset, pinfo)
    if left < needed then
      show(pinfo, texts)
      local taken = more(tvb, offset, pinfo)
      if not taken then
        lost[direction] = lost[direction] or pinfo.number
        taken = unknown(tvb, offset, pinfo, root, "cut", cut)
      end
      return taken
    end
    local type, n = tvb(offset + 1, 1):uint(), tvb(offset + 2, 4):uint()
    if not requirement and left < HEADER + n then
      show(pinfo, texts)
      local taken = more(tvb, offset, pinfo, HEADER + n - left)
      if taken then
        return taken
      end
    end
    local size = math.min(HEADER + n, left)
    local item = root:add(adit, tvb(offset, size), "adit " .. types[type])
    local version = item:add(f.version, tvb(offset, 1))
    local kind = item:add(f.type, tvb(offset + 1, 1))
    local length = item:add(f.length, tvb(offset + 2, 4))
    if requirement then
      item:set_text(requirement == "FRAME-002" and "adit, unknown version" or "adit " .. types[type] .. ", against " .. requirement)
      local culprit = { ["FRAME-002"] = version, ["FRAME-004"] = length, ["FRAME-008"] = length }
      charge(item, culprit[requirement] or kind, requirement)
      dead[direction] = dead[direction] or pinfo.number
      table.insert(texts, requirement)
      show(pinfo, texts)
      return ended(tvb, offset + HEADER, item)
    end
    if types[type] == "Reserved" then -- skipped all the same (FRAME-007)
      charge(item, kind, "FRAME-009")
    end
    if left < HEADER + n then
      lost[direction] = lost[direction] or pinfo.number
      item:add_proto_expert_info(cut)
      table.insert(texts, types[type] .. ", cut")
      show(pinfo, texts)
      return ended(tvb, offset + HEADER, item)
    end
    if types[type] == "HELLO" then
      local said = hellos[tunnel()] or {}
      hellos[tunnel()] = said
      local hello, all = { packet = pinfo.number, tags = {} }, tlvs(tvb, offset + HEADER, n)
      for _, tlv in ipairs(all or {}) do
        hello.tags[tags[tlv.tag] or tlv.tag] = true
      end
      said[direction] = said[direction] or hello
      if not all then -- a Core peer skips it all the same
        charge(item, length, "TLV-001")
      end
    end
    local text = frame(tvb, offset, pinfo, item, type, n)
    item:set_text("adit " .. text)
    table.insert(texts, text)
    offset = offset + size
  end
  show(pinfo, texts)
  return tvb:len()
end

-- A segment that begins with a Core frame of the right size, and has nothing
-- wrong in what follows, makes its TCP connection a tunnel. Types that Core does not know prove nothing.
local function guess(tvb, pinfo, root)
  local offset = 0
  while offset + HEADER <= tvb:len() do
    local type, n = tvb(offset + 1, 1):uint(), tvb(offset + 2, 4):uint()
    local requirement, needed = violation(tvb, offset, pinfo)
    if requirement or needed > tvb:len() - offset or offset == 0 and not frames[type] then
      return false
    end
    offset = offset + HEADER + n
  end
  if offset == 0 then
    return false
  end
  pinfo.conversation = adit
  adit.dissector(tvb, pinfo, root)
  return true
end

local ports, registered = DissectorTable.get("tcp.port"), nil
local function listen()
  if registered == adit.prefs.port then
    return
  end
  if registered then
    ports:remove(registered, adit)
  end
  registered = adit.prefs.port
  ports:add(registered, adit)
end
adit.prefs_changed = listen
listen()
DissectorTable.get("tls.alpn"):add("adit/1", adit)
adit:register_heuristic("tcp", guess)
