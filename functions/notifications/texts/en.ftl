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

date = { $day } { $month ->
    [jan] January
    [feb] February
    [mar] March
    [apr] April
    [may] May
    [jun] June
    [jul] July
    [aug] August
    [sep] September
    [oct] October
    [nov] November
   *[dec] December
} { $year }

trial-notice = { $days ->
    [one] Your trial of Tenantry { $product } ends tomorrow
   *[other] Your trial of Tenantry { $product } ends in { $days } days
}
    .preheader = Choose a plan, and everything stays as it is.
    .title = { $days ->
        [one] One day left
       *[other] { $days } days left
    }
    .body =
        Your trial of Tenantry { $product } ends on { $date }.

        Choose a plan before then, and everything stays as it is: what you built, its address and its data. You pay from the day you choose, and can leave at any time.
    .button = Choose a plan
    .note = You need not do anything to end the trial; nothing is charged without your yes.

trial-grace = Your trial of Tenantry { $product } has ended
    .preheader = What you built stays online until { $date }.
    .title = What you built is still here
    .body = { $cause ->
        [failed]
            Your payment for Tenantry { $product } did not arrive, and your trial has ended meanwhile.

            What you built stays online until { $date }, but nothing new can be made. Please try another way to pay; then all of it goes on at once.
       *[over]
            Your trial of Tenantry { $product } has ended. What you built stays online until { $date }, but nothing new can be made.

            Choose a plan before then, and all of it goes on as it was.
    }
    .button = Choose a plan
    .note = Nothing is charged without your yes.

trial-expired = Tenantry { $product } is switched off
    .preheader = Your data are kept until { $date }.
    .title = We keep your data for you
    .body =
        Your trial of Tenantry { $product } is over, and nobody chose a plan. What you built is switched off.

        Your data are kept until { $date }. Choose a plan before then, and everything comes back under its own name. After that day we delete them for good.
    .button = Bring it back
    .note = You need not do anything if you are done with it. Thank you for having tried.

trial-converted = Welcome to Tenantry { $product } { $plan }
    .preheader = Your payment arrived. Here is what changes.
    .title = Thank you
    .body = { $late ->
        [yes]
            Your payment arrived, and you are now on the plan { $plan } of Tenantry { $product }. What was switched off comes back under its own name, with its data.

            You need not do anything. The receipt comes in a mail of its own.
       *[no]
            Your payment arrived, and you are now on the plan { $plan } of Tenantry { $product }. What you built in the trial goes on; if the plan holds machines of its own, we move it there without any work of yours.

            The receipt comes in a mail of its own.
    }
    .button = See my plan
    .note = You get this mail because your organisation chose a plan.

payment-failed = Your payment for Tenantry { $product } failed
    .preheader = { $amount } could not be collected. Everything still works.
    .title = Your payment did not go through
    .body = { $retry ->
        [yes]
            We could not collect { $amount } for Tenantry { $product }. This happens: a card has ended, or a bank asks for something.

            We try again on { $next }. If you pay before or mend your payment method, that settles it. Everything works as before until { $date }; from then on it would be restricted.
       *[no]
            We could not collect { $amount } for Tenantry { $product }, and it is not tried again by itself.

            Please pay, or mend your payment method. Everything works as before until { $date }; from then on it would be restricted.
    }
    .button = Pay now
    .note = If you have paid meanwhile, please ignore this mail.

payment-action-required = Please confirm your payment for Tenantry { $product }
    .preheader = Your bank asks for your confirmation of { $amount }.
    .title = Your bank asks for you
    .body =
        Your bank wants you to confirm the payment of { $amount } for Tenantry { $product } yourself. It takes a minute.

        Until then the payment is open, and nothing is charged.
    .button = Confirm the payment
    .note = European banks ask for this now and then, to protect you.

access-changed = { $level ->
    [restricted] Tenantry { $product } is restricted
    [suspended] Tenantry { $product } is suspended
   *[open] Tenantry { $product } works again
}
    .preheader = { $level ->
        [open] Your payment arrived.
       *[other] { $amount } is still to be paid.
    }
    .title = { $level ->
        [restricted] Nothing new can be made for now
        [suspended] Your product is switched off
       *[open] Thank you, all is well
    }
    .body = { $level ->
        [restricted]
            { $amount } for Tenantry { $product } is still to be paid. What you have works on and can be taken away, but nothing new can be made.

            If nothing is paid by { $date }, it is switched off. As soon as you pay, everything opens again at once.
        [suspended]
            { $amount } for Tenantry { $product } is still to be paid, and so it is switched off. Your data are kept.

            If nothing is paid by { $date }, your subscription ends. As soon as you pay, everything comes back at once.
       *[open]
            Your payment arrived, and Tenantry { $product } is open again in full.

            Thank you. You need not do anything.
    }
    .button = { $level ->
        [open] See my plan
       *[other] Pay now
    }
    .note = You get this mail because you own the organisation that this is about.

card-expiring = Your card ending in { $last4 } is about to expire
    .preheader = Add another one, so that nothing stops.
    .title = A new card, please
    .body =
        Your card { $brand } ending in { $last4 } is good until { $month } only.

        Add another one before then, so that your plans renew without a break.
    .button = Add a card
    .note = If your bank has told us of your new card, you need not do anything.

spend-cap = { $outcome ->
    [stopped] Your cap on { $meter } is reached, and use has stopped
    [reached] Your cap on { $meter } is reached
   *[open] { $percent } % of your cap on { $meter } is used
}
    .preheader = The cap is { $amount }.
    .title = { $outcome ->
        [open] { $percent } % of your cap is used
       *[reached] Your cap is reached
    }
    .body = { $outcome ->
        [stopped] What you have used of { $meter } in Tenantry { $product } has come to your cap of { $amount }. Nothing more can be used until the cap is raised or its time is over.
        [reached] What you have used of { $meter } in Tenantry { $product } has come to your cap of { $amount }. Use goes on: the cap only tells you.
       *[open] What you have used of { $meter } in Tenantry { $product } has come to { $percent } % of your cap of { $amount }.
    }
    .button = See your caps
    .note = You get this mail at 50, 80 and 100 %, once for each while that the cap is for.

receipt = Your receipt { $number }
    .preheader = { $amount }, paid on { $date }.
    .title = Thank you for your payment
    .body = { $taxed ->
        [yes] We received { $amount } on { $date } for invoice { $number }. That holds { $tax } of tax.
       *[no] We received { $amount } on { $date } for invoice { $number }.
    }
    .button = See the invoice
    .note = Keep this mail for your books; all invoices are in your account as well.

refund = { $amount } come back to you
    .preheader = We sent it to what you paid with.
    .title = Your money is on its way
    .body =
        We sent { $amount } back to what you paid with. Banks take five to ten days to show it.
    .button = See my invoices
    .note = You get this mail because a payment of your organisation was refunded.

cancellation = { $outcome ->
    [ahead] Your plan of Tenantry { $product } ends on { $date }
    [back] Your plan of Tenantry { $product } goes on
    [trial] Your trial of Tenantry { $product } is cancelled
   *[over] Your plan of Tenantry { $product } has ended
}
    .preheader = { $outcome ->
        [back] Everything stays as it is.
       *[other] Here is what happens to your data.
    }
    .title = { $outcome ->
        [ahead] Your plan is going to end
        [back] Good to keep you
        [trial] Your trial is cancelled
       *[over] Your plan has ended
    }
    .body = { $outcome ->
        [ahead]
            The plan { $plan } of Tenantry { $product } is cancelled and ends on { $date }. Until then you have all of it.

            You can take that back with one click as long as it has not ended.
        [back]
            The plan { $plan } of Tenantry { $product } goes on; its cancellation is taken back.

            You need not do anything.
        [trial]
            Your trial of Tenantry { $product } is cancelled, and nothing is charged. What you built is switched off.

            Your data are kept until { $date }. Choose a plan before then, and everything comes back.
       *[over]
            The plan { $plan } of Tenantry { $product } ended on { $date }, and nothing more is charged.

            Your data are kept for a while. Choose a plan again, and you find them there.
    }
    .button = See my plans
    .note = You get this mail because you own the organisation that this is about.
