import java.io.FileInputStream;
import java.io.InputStream;
import java.net.URI;
import java.security.cert.CertPath;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateFactory;
import java.security.cert.CertificateRevokedException;
import java.security.cert.PKIXParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * Asks an OCSP responder about certificates the way Java's own path validation does.
 * Usage: java CheckRevocation RESPONDER-URL CA.pem CERTIFICATE.pem...
 * Prints one line per certificate: "good", "revoked REASON", or "failed MESSAGE".
 */
public class CheckRevocation {
    public static void main(String[] arguments) throws Exception {
        X509Certificate authority = read(arguments[1]);
        for (int i = 2; i < arguments.length; i++) {
            System.out.println(check(URI.create(arguments[0]), authority, read(arguments[i])));
        }
    }

    private static X509Certificate read(String path) throws Exception {
        try (InputStream in = new FileInputStream(path)) {
            return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
        }
    }

    private static String check(URI responder, X509Certificate authority, X509Certificate leaf) throws Exception {
        CertPathValidator validator = CertPathValidator.getInstance("PKIX");
        PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
        checker.setOcspResponder(responder);
        checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.NO_FALLBACK));
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(authority, null)));
        parameters.addCertPathChecker(checker);
        CertPath path = CertificateFactory.getInstance("X.509").generateCertPath(List.of(leaf));
        try {
            validator.validate(path, parameters);
            return "good";
        } catch (CertPathValidatorException refused) {
            if (refused.getCause() instanceof CertificateRevokedException revoked) {
                return "revoked " + revoked.getRevocationReason();
            }
            return "failed " + refused.getMessage();
        }
    }
}
