# The mails' texts in English, the language that a text falls back to.
# A message's value is the subject; its attributes are the parts of the mail. A blank line begins a paragraph.

greeting = Hello { $name },
greeting-anonymous = Hello,
signature = Warm regards, your Tenantry team
link-hint = If the button does not work, copy this address into your browser:
help = Any question? Write to { $support }. People read it, and answer.

verification = Please confirm your e-mail address
    .preheader = One click, and you can put your first site online.
    .title = One click to go
    .body =
        Welcome to Tenantry! Please confirm that this address is yours. From then on you can deploy your first site.

        The link works once, within { $hours ->
            [one] one hour
           *[other] { $hours } hours
        }.
    .button = Confirm my address
    .note = You did not sign up? Then ignore this mail; without your click nothing happens.

welcome = Welcome to Tenantry
    .preheader = Your address is confirmed. Here is what comes next.
    .title = Good to have you with us
    .body =
        Your address is confirmed, and everything is ready for you.

        The best first step takes a minute: choose a name, and we build your site with its own storage, address and mail.
    .button = Deploy my first site
    .note = You get this mail once, as you have just confirmed your address.

site-ready = { $fqdn } is online
    .preheader = Your site is built and answers at its name.
    .title = Your site is online
    .body =
        Good news: { $fqdn } is built and answers at its name. Storage and DNS are set up as well.

        The mail domain of your site is checked in the background; that can take a while, and you need not do anything.
    .button = Open my site
    .note = You get this mail because somebody in your organisation asked for this site.

provisioning-failed = { $fqdn } is not online yet
    .preheader = Something went wrong on our side. Here is what happens now.
    .title = We could not build your site
    .body = { $outcome ->
        [undone]
            We are sorry: { $fqdn } could not be built. Everything that was begun is taken back, nothing is charged, and the name is free again.

            Please try once more. If it fails again, tell us the number { $operation }, and we look into it at once.
       *[waiting]
            We are sorry: building { $fqdn } has stopped at a step that needs a look by our people. They have been told.

            You need not do anything; we go on from where it stopped, and write to you when your site is online. Should you want to ask, mention the number { $operation }.
    }
    .button = See where it stands
    .note = You get this mail because somebody in your organisation asked for this site.

contact-message = Contact: { $subject }
    .preheader = { $name } wrote through the contact form.
    .title = A message from { $name }
    .body = { $name } ({ $email }) wrote through the contact form. Your answer to this mail goes to them.
    .note = Nobody has checked that this address belongs to the writer.
