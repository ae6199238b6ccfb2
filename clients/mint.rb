#!/usr/bin/env ruby
# Mints an instruction cookie: FARM_KEY_ID=k1 FARM_KEY=... ./mint.rb farm=app member=app1 exp=$(($(date +%s) + 600))
# Set it with Path=/; HttpOnly; Secure; SameSite=Lax, in Rails:
#     response.set_cookie("farm", value: value, path: "/", httponly: true, secure: true, same_site: :lax)
# KID and KEY are a line KID:KEY of FarmSecretFile. No file with a key is ever to be in the web root.
require "openssl"
require "uri"

module Farm
  # fields: a hash or pairs, such as { farm: "app", to: "gold", exp: Time.now.to_i + 600 }
  def self.mint(kid, key, fields)
    signed = "v1.#{kid}.#{base64url(URI.encode_www_form(fields))}"
    "#{signed}.#{base64url(OpenSSL::HMAC.digest("SHA256", key, signed))}"
  end

  def self.base64url(data)
    [data].pack("m0").tr("+/", "-_").delete("=")
  end
end

if $PROGRAM_NAME == __FILE__
  kid, key = ENV.values_at("FARM_KEY_ID", "FARM_KEY").map(&:to_s)
  if kid.empty? || key.empty? || !ARGV.all? { |argument| argument.include?("=") }
    abort "usage: FARM_KEY_ID=KID FARM_KEY=KEY mint.rb name=value ..."
  end
  puts Farm.mint(kid, key, ARGV.map { |argument| argument.split("=", 2) })
end
