-- A Wireshark dissector of the adit tunnel protocol (PROTOCOL.md, sections 4 to 6).
--
-- It is asked for TCP port 9000 (a preference), for TLS with ALPN adit/1, by
-- "Decode As", and by a heuristic. Filters: adit.type == "Data", adit.id == 7,
-- adit.status != 0, adit.requirement == "FRAME-004".

local VERSION, HEADER, MAX_PAYLOAD = 0x01, 6, 1048576
local REQUEST, RESPONSE, DATA, CLOSE, KEEPALIVE = 0x01, 0x02, 0x03, 0x04, 0x05

-- Section 5, and the types that section 19 sets aside.
local types = {}
for t = 0x00, 0xFF do
  types[t] = t >= 0x80 and "Private" or t >= 0x10 and t <= 0x3F and "Extended" or "Reserved"
end
types[REQUEST], types[RESPONSE], types[DATA] = "ConnectRequest", "ConnectResponse", "Data"
types[CLOSE], types[KEEPALIVE] = "Close", "KeepAlive"
for i, name in ipairs({
  "HELLO", "WINDOW", "FIN", "RESET", "OPEN", "DATAGRAM", "GOAWAY", "PING", "PONG", "AUTH", "BIND", "BOUND", "UNBIND",
}) do
  types[0x0F + i] = "Extended " .. name
end

-- Section 6.2. Those that are not here are failures, too.
local statuses = {
  [0x00] = "success", [0x01] = "general", [0x02] = "refused", [0x03] = "timed-out",
  [0x04] = "unreachable", [0x05] = "not-resolved", [0x06] = "denied", [0x07] = "too-many",
}

local adit = Proto("adit", "adit tunnel protocol")
local f = {
  version = ProtoField.uint8("adit.version", "Version", base.HEX),
  type = ProtoField.uint8("adit.type", "Type", base.HEX, types),
  length = ProtoField.uint32("adit.length", "Length", base.DEC),
  id = ProtoField.uint32("adit.id", "Connection ID", base.DEC),
  port = ProtoField.uint16("adit.port", "Port", base.DEC),
  host_length = ProtoField.uint8("adit.host_length", "Length of the host", base.DEC),
  host = ProtoField.string("adit.host", "Host", base.ASCII),
  status = ProtoField.uint8("adit.status", "Status", base.HEX, statuses),
  data = ProtoField.bytes("adit.data", "Data"),
  payload = ProtoField.bytes("adit.payload", "Payload"),
  rest = ProtoField.bytes("adit.rest", "Octets that nobody acts on"),
  requirement = ProtoField.string("adit.requirement", "Broken requirement", base.ASCII),
  request = ProtoField.framenum("adit.request", "ConnectRequest in", base.NONE, frametype.REQUEST),
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
}
local cut = ProtoExpert.new("adit.expert.cut", "The capture lacks octets, so where the next frame begins is unknown", expert.group.UNDECODED, expert.severity.NOTE)
local after = ProtoExpert.new("adit.expert.after", "The tunnel ended with an error in an earlier packet", expert.group.PROTOCOL, expert.severity.NOTE)
adit.experts = { after, cut }
for _, e in pairs(broken) do
  table.insert(adit.experts, e)
end

adit.prefs.port = Pref.uint("TCP port", 9000, "The port on which the server accepts tunnels")

-- What is remembered of a capture: the packet in which each direction of a
-- tunnel broke a rule, or was lost since the capture lacks octets, and the
-- packets in which connections were requested.
local dead, lost, requests
function adit.init()
  dead, lost, requests = {}, {}, {}
end

local stream = Field.new("tcp.stream")

-- tunnel names the TCP connection that a packet belongs to.
local function tunnel()
  local s = stream()
  return s and s.value or 0
end

-- violation says which rule a frame breaks, in the order of section 15, and how many of its octets it takes to tell.
local function violation(tvb, offset, pinfo)
  local left = tvb:len() - offset
  if left < HEADER then
    return nil, HEADER
  end
  local type, n = tvb(offset + 1, 1):uint(), tvb(offset + 2, 4):uint()
  if tvb(offset, 1):uint() ~= VERSION then
    return "FRAME-002", HEADER
  elseif n > MAX_PAYLOAD then
    return "FRAME-004", HEADER
  elseif type == REQUEST and pinfo.dst_port == adit.prefs.port and pinfo.src_port ~= adit.prefs.port then
    return "OPEN-010", HEADER
  elseif type == RESPONSE and pinfo.src_port == adit.prefs.port and pinfo.dst_port ~= adit.prefs.port then
    return "OPEN-011", HEADER
  end
  local bad = type == RESPONSE and n ~= 5 or type == DATA and n < 4 or type == CLOSE and n ~= 4 or type == KEEPALIVE and n ~= 0
  if type == REQUEST and n ~= 6 then
    bad = n < 7 or n > 7 + 255
    if not bad and left < HEADER + 7 then
      return nil, HEADER + 7
    end
    bad = bad or n ~= 7 + tvb(offset + HEADER + 6, 1):uint()
  end
  return bad and "FRAME-008" or nil, HEADER
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
  if type == REQUEST then
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
  local name, at = types[type], offset + HEADER
  if type == KEEPALIVE then
    return name
  elseif type > KEEPALIVE or type == 0x00 then
    if n > 0 then
      tree:add(f.payload, tvb(at, n))
    end
    return string.format("%s 0x%02X", name, type)
  end
  local id = connection(tvb, at, pinfo, tree, type)
  local text = name .. " " .. id
  if type == REQUEST then
    local port = tvb(at + 4, 2):uint()
    tree:add(f.port, tvb(at + 4, 2))
    if n == 6 then
      return text .. " :" .. port
    end
    tree:add(f.host_length, tvb(at + 6, 1))
    if n == 7 then
      return text .. " :" .. port
    end
    tree:add(f.host, tvb(at + 7, n - 7))
    return text .. " " .. printable(tvb:raw(at + 7, n - 7)) .. ":" .. port
  elseif type == RESPONSE then
    tree:add(f.status, tvb(at + 4, 1))
    return text .. " " .. (statuses[tvb(at + 4, 1):uint()] or "failure")
  elseif type == DATA then
    if n > 4 then
      tree:add(f.data, tvb(at + 4, n - 4))
    end
    return string.format("%s, %d octets", text, n - 4)
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

-- unknown shows octets of which nobody knows what they are.
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

-- more asks TCP for n octets behind those that there are, or for any with
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
    return unknown(tvb, 0, pinfo, root, "after octets that were not captured", cut)
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
    if requirement or needed > tvb:len() - offset or offset == 0 and (type < REQUEST or type > KEEPALIVE) then
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
