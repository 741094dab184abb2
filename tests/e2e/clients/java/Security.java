// The options tls_* and sasl as configuration of the library (see ../README.md).
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

final class Security {
    private static final String MODULES = "org.apache.kafka.common.security.";

    static void put(Properties p) {
        boolean tls = Client.option("tls_ca", null) != null, login = Client.option("sasl", null) != null;
        if (!tls && (Client.option("tls_cert", null) != null || Client.option("tls_key", null) != null))
            throw usage("tls_cert= and tls_key= want tls_ca=");
        if (tls || login)
            p.put("security.protocol", (login ? "SASL_" : "") + (tls ? "SSL" : "PLAINTEXT"));
        if (tls)
            putTls(p);
        if (login)
            putLogin(p);
    }

    /** Host names are verified: that is the library's default. */
    private static void putTls(Properties p) {
        p.put("ssl.truststore.type", "PEM");
        p.put("ssl.truststore.certificates", pem("tls_ca"));
        if (Client.option("tls_cert", null) != null || Client.option("tls_key", null) != null) {
            p.put("ssl.keystore.type", "PEM");
            p.put("ssl.keystore.certificate.chain", pem("tls_cert"));
            p.put("ssl.keystore.key", pem("tls_key"));
        }
    }

    private static void putLogin(Properties p) {
        String name = Client.option("sasl", null), user = quoted("user");
        p.put("sasl.mechanism", name);
        p.put("sasl.jaas.config", switch (name) {
            case "PLAIN" -> module("plain.Plain") + passwordOf(user);
            case "SCRAM-SHA-256", "SCRAM-SHA-512" -> module("scram.Scram") + passwordOf(user);
            case "OAUTHBEARER" -> // the default handler makes an unsecured JWT of this
                module("oauthbearer.OAuthBearer") + "unsecuredLoginStringClaim_sub=" + user + ";";
            default -> throw usage("sasl=" + name + ": this program knows PLAIN, SCRAM-SHA-256, "
                + "SCRAM-SHA-512, OAUTHBEARER");
        });
    }

    private static String module(String name) {
        return MODULES + name + "LoginModule required ";
    }

    private static String passwordOf(String user) {
        return "username=" + user + " password=" + quoted("password") + ";";
    }

    private static String quoted(String key) {
        return '"' + needed(key).replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    private static String pem(String key) {
        try {
            return Files.readString(Path.of(needed(key)));
        } catch (IOException e) {
            throw usage(key + ": " + e);
        }
    }

    private static String needed(String key) {
        String value = Client.option(key, null);
        if (value == null)
            throw usage(key + "= is missing");
        return value;
    }

    private static IllegalArgumentException usage(String why) {
        System.err.println("usage: " + why);
        System.exit(2);
        return new IllegalArgumentException(why);
    }
}
