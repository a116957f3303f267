//! E-mail: templates, rendering and the SMTP session.
